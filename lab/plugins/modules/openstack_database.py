#!/usr/bin/python
"""Databases of one service and its user, through the socket of MariaDB on the machine itself."""

import hashlib

from ansible.module_utils import mariadb_client
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: openstack_database
short_description: Databases of one service, and the user who may do everything with them
description: Nothing is ever removed. Only the hash of the password is sent, and that not as a word of a command.
options:
  names: {description: Databases, type: list, elements: str, required: true}
  user: {description: Who may use them from this machine, type: str, required: true}
  password: {description: Of that user, type: str, required: true}
  wait_seconds: {description: How long a database that starts, or joins its cluster, is waited for, type: int, default: 90}
"""


def hashed(password):
    """As MariaDB keeps it."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()  # noqa: S324 - MariaDB's own


def text(value):
    """A text in SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def name(value):
    """A name in SQL."""
    return "`" + value.replace("`", "``") + "`"


def sql(module, statements):
    """What the database answers, line by line."""
    done = mariadb_client.tell(statements)
    if done.returncode:
        module.fail_json(msg=f"database: {mariadb_client.explained(done.stderr.strip())}")
    return done.stdout.splitlines()


def missing(have, names, user, password):
    """Statements for what is not yet as wanted; `have` is `{databases, hash, granted}`."""
    who = f"{text(user)}@'localhost'"
    wanted = [f"CREATE DATABASE {name(one)}" for one in names if one not in have["databases"]]
    if have["hash"] is None:
        wanted.append(f"CREATE USER {who} IDENTIFIED BY PASSWORD {text(hashed(password))}")
    elif have["hash"] != hashed(password):
        wanted.append(f"ALTER USER {who} IDENTIFIED BY PASSWORD {text(hashed(password))}")
    return wanted + [f"GRANT ALL PRIVILEGES ON {name(one)}.* TO {who}" for one in names if one not in have["granted"]]


def observed(module, user):
    """What there is."""
    users = dict(line.split("\t") for line in sql(module, ["SELECT User, authentication_string FROM mysql.user WHERE Host = 'localhost'"]))
    rights = sql(module, ["SELECT User, Db FROM mysql.db WHERE Host = 'localhost' AND Drop_priv = 'Y' AND Insert_priv = 'Y'"])
    return {
        "databases": sql(module, ["SHOW DATABASES"]),
        "hash": users.get(user),
        "granted": [database for owner, database in (line.split("\t") for line in rights) if owner == user],
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "wait_seconds": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    given = module.params
    if problem := mariadb_client.awaited(mariadb_client.tell, given["wait_seconds"]):
        module.fail_json(msg=f"database: {problem}")
    statements = missing(observed(module, given["user"]), given["names"], given["user"], given["password"])
    if statements and not module.check_mode:
        sql(module, statements)
    module.exit_json(changed=bool(statements), statements=len(statements))


if __name__ == "__main__":
    main()

"""Heat: stacks of everything else, from one file. Optional."""

from __future__ import annotations

from lab.inventory.openstack_services.service import Api, Cloud, Command, File, Service, Wsgi, because, ini, wsgi_files

PORT, CFN_PORT = 8004, 8000
DOMAIN, DOMAIN_ADMIN = "heat", "heat_domain_admin"  # where accounts are that stacks make for themselves
APIS = (
    Api("heat", "orchestration", PORT, "/v1/%(project_id)s", "Stacks"),
    Api("heat-cfn", "cloudformation", CFN_PORT, "/v1", "What servers of a stack report to"),
)


def heat(cloud: Cloud) -> Service:
    """APIs and engine."""
    sections = {
        "DEFAULT": (
            because("How its parts speak to each other.", transport_url=cloud.messages()),
            because("One for each processor would take the memory of servers.", num_engine_workers=cloud.workers),
            because("The one there is.", region_name_for_services=cloud.region),
            because(
                "Accounts that stacks make are kept apart from those of people.",
                stack_user_domain_name=DOMAIN,
                stack_domain_admin=DOMAIN_ADMIN,
                stack_domain_admin_password=cloud.password("heat/domain"),
            ),
            because("Servers report to the same host as everyone.", heat_metadata_server_url=cloud.url(CFN_PORT)),
        ),
        "clients_keystone": (because("For what servers are told.", auth_uri=cloud.url(5000)),),
        "database": (because("Where everything is kept.", connection=cloud.database("heat")),),
        "keystone_authtoken": cloud.asks_keystone("heat"),
        "trustee": cloud.as_itself("heat", "Who made a stack lets it act when they are not there."),
        "oslo_middleware": (because("Clients come by TLS, which ends at the proxy.", enable_proxy_headers_parsing=True),),
    }
    return Service(
        name="heat",
        packages=("heat-api", "heat-api-cfn", "heat-engine", "python3-pymysql"),
        files=(
            File("/etc/heat/heat.conf", ini(sections), "heat"),
            *wsgi_files(Wsgi("heat-api", PORT, "/usr/bin/heat-wsgi-api", "heat"), cloud.workers),
            *wsgi_files(Wsgi("heat-api-cfn", CFN_PORT, "/usr/bin/heat-wsgi-api-cfn", "heat"), cloud.workers),
        ),
        databases=("heat",),
        database_password=cloud.password("heat/database"),
        commands=(Command("its tables", ("runuser", "-u", "heat", "--", "heat-manage", "db_sync")),),
        apis=APIS,
        account_password=cloud.password("heat/account"),
        more_identity={
            "domain": [{"name": DOMAIN, "description": "Accounts that stacks make for themselves"}],
            "role": [{"name": "heat_stack_owner"}, {"name": "heat_stack_user"}],
            "user": [{"name": DOMAIN_ADMIN, "domain": DOMAIN}],
            "assignment": [{"name": DOMAIN_ADMIN, "user_domain": DOMAIN, "role": "admin", "on_domain": DOMAIN}],
        },
        more_passwords={f"{DOMAIN}/{DOMAIN_ADMIN}": cloud.password("heat/domain")},
        units=("heat-engine", "heat-api", "heat-api-cfn"),
        port=PORT,
        probe=f"http://127.0.0.1:{PORT}/",
    )

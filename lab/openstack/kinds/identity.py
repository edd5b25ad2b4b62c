"""Keystone: domains, projects, users, roles, who has which, services and endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.openstack.errors import Gone
from lab.openstack.kinds.base import Plain, plain_values, said
from lab.openstack.model_identity import AS_GIVEN, Assignment, User
from lab.openstack.sdk import load
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step

ENABLED = {"description": "description", "enabled": "is_enabled"}
ANOTHER = "another"


def in_domain(state: State, item: Any) -> str:
    """`domain/name`."""
    return f"{state.name('domains', item.domain_id)}/{item.name}"


def domain_of(state: State, thing: Any) -> dict[str, Any]:
    """The domain that a project or a user is made in."""
    return {"domain_id": state.id("domains", thing.domain, said(thing, "create"))}


def switched_off(state: State, seen: Seen) -> None:
    """Keystone only removes a domain that is disabled."""
    state.cloud.tell(f"domain {seen.id}: disable", lambda: state.cloud.connection.identity.update_domain(seen.id, is_enabled=False))


DOMAINS = Plain("identity", "domain", "domains", ENABLED, before_removal=switched_off)
PROJECTS = Plain("identity", "project", "projects", ENABLED, key=in_domain, made_with=domain_of)
ROLES = Plain("identity", "role", "roles", {})
SERVICES = Plain("identity", "service", "services", ENABLED | {"type": "type"})
ENDPOINTS = Plain(
    "identity",
    "endpoint",
    "endpoints",
    {"url": "url"},
    key=lambda state, item: f"{item.region_id}/{state.name('services', item.service_id)}/{item.interface}",
)


class Endpoints:
    """Addresses of services; an endpoint has no name of its own."""

    touches = ("endpoints",)

    def observe(self, state: State, things: Sequence[Any]) -> dict[str, Seen]:
        """By region, service and interface."""
        return ENDPOINTS.observe(state, things)

    def create(self, state: State, thing: Any) -> None:
        """The region has to be there: bootstrapping makes it."""
        service = state.id("services", thing.name, said(thing, "create"))
        body = {"service_id": service, "interface": thing.interface, "region_id": thing.region, "url": thing.url}
        state.cloud.tell(said(thing, "create"), lambda: state.cloud.connection.identity.create_endpoint(**body))

    def update(self, state: State, thing: Any, seen: Seen, step: Step) -> None:
        """Its address."""
        ENDPOINTS.update(state, thing, seen, step)

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """One request."""
        ENDPOINTS.remove(state, key, seen)


class Users:
    """People and services. A password is right if it opens the door, which is tried for the wanted ones."""

    touches = ("users",)

    def observe(self, state: State, things: Sequence[User]) -> dict[str, Seen]:
        """By domain and name."""
        wanted = {thing.key: thing for thing in things}
        found = []
        for item in state.objects("users"):
            key, values = in_domain(state, item), plain_values(item, ENABLED)
            thing = wanted.get(key)
            if thing is not None and thing.password is not None and item.is_enabled:
                values["password"] = AS_GIVEN if opens(state, thing) else ANOTHER
            found.append((key, Seen(str(item.id), values)))
        return keyed(found)

    def create(self, state: State, thing: User) -> None:
        """With its password, where it has one."""
        body = {"name": thing.name, "description": thing.description, "is_enabled": thing.enabled} | domain_of(state, thing)
        body |= {"password": thing.password.get_secret_value()} if thing.password else {}
        state.cloud.tell(said(thing, "create"), lambda: state.cloud.connection.identity.create_user(**body))

    def update(self, state: State, thing: User, seen: Seen, step: Step) -> None:
        """Only what differs; a disabled user's password is set when it is enabled, for before that nobody can try it."""
        body = {ENABLED[key]: value for key, value in step.changes.items() if key in ENABLED}
        if thing.password and "password" in step.changes:
            body["password"] = thing.password.get_secret_value()
        state.cloud.tell(said(thing, "change"), lambda: state.cloud.connection.identity.update_user(seen.id, **body))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Its roles go with it."""
        Plain("identity", "user", "users", ENABLED).remove(state, key, seen)


def opens(state: State, thing: User) -> bool:
    """Whether Keystone gives a token for the wanted password."""
    assert thing.password is not None  # noqa: S101 - the caller looked
    login = load("keystoneauth1.identity.v3").Password(
        auth_url=state.cloud.login.auth_url,
        username=thing.name,
        user_domain_name=thing.domain,
        password=thing.password.get_secret_value(),
        unscoped=True,
    )
    refused = load("keystoneauth1.exceptions.http").Unauthorized

    def look() -> bool:
        try:
            return bool(login.get_token(state.cloud.connection.session))
        except refused:
            return False

    return state.cloud.ask(said(thing, "does its password open"), look)


class Assignments:
    """Roles of users. Those that groups have or that are inherited are not ours."""

    touches = ("role_assignments",)

    def observe(self, state: State, things: Sequence[Assignment]) -> dict[str, Seen]:
        """All of them in one answer, which has names beside ids."""
        found = []
        for item in state.objects("role_assignments"):
            place = place_of(item.scope or {})
            if item.user and place:
                who = f"{item.user['domain']['name']}/{item.user['name']}"
                notes = {"user": item.user["id"], "role": item.role["id"], "scope": item.scope}
                found.append((f"{item.role['name']} for {who} on {place}", Seen(item.role["id"], {}, notes)))
        return keyed(found)

    def create(self, state: State, thing: Assignment) -> None:
        """Asking for one that is there already changes nothing."""
        what, identity = said(thing, "create"), state.cloud.connection.identity
        user = next((item.id for item in state.objects("users") if in_domain(state, item) == f"{thing.user_domain}/{thing.name}"), None)
        user = user or state.id("users", thing.name, what)
        role = state.id("roles", thing.role, what)
        if thing.project is not None:
            key = f"{thing.project_domain}/{thing.project}"
            project = next((item.id for item in state.objects("projects") if in_domain(state, item) == key), None)
            project = project or state.id("projects", thing.project, what)
            state.cloud.tell(what, lambda: identity.assign_project_role_to_user(project, user, role))
        elif thing.on_domain is not None:
            domain = state.id("domains", thing.on_domain, what)
            state.cloud.tell(what, lambda: identity.assign_domain_role_to_user(domain, user, role))
        else:
            state.cloud.tell(what, lambda: identity.assign_system_role_to_user(user, role, "all"))

    def update(self, state: State, thing: Assignment, seen: Seen, step: Step) -> None:
        """There is nothing to change: it is there, or not."""

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """The role stays for others."""
        identity, scope = state.cloud.connection.identity, seen.notes["scope"]
        user, role = seen.notes["user"], seen.notes["role"]
        orders = {
            "project": lambda: identity.unassign_project_role_from_user(scope["project"]["id"], user, role),
            "domain": lambda: identity.unassign_domain_role_from_user(scope["domain"]["id"], user, role),
            "system": lambda: identity.unassign_system_role_from_user(user, role, "all"),
        }
        try:
            state.cloud.tell(f"assignment {key}: remove", orders[next(iter(scope))])
        except Gone:
            return


def place_of(scope: dict[str, Any]) -> str:
    """Where a role counts, in the words of the model; empty for one that is only handed down."""
    if "OS-INHERIT:inherited_to" in scope:
        return ""
    if "project" in scope:
        return f"project {scope['project']['domain']['name']}/{scope['project']['name']}"
    if "domain" in scope:
        return f"domain {scope['domain']['name']}"
    return "the system" if "system" in scope else ""

"""Horizon: the cloud in a browser. Optional."""

from __future__ import annotations

from lab.inventory.openstack_services.service import MEMCACHED, Api, Cloud, Command, File, Service

PORT, BEHIND = 443, 8080
SITE = "/etc/apache2/conf-available/lab-horizon.conf"


def horizon(cloud: Cloud) -> Service:
    """Pages below /horizon, by Apache on the machine itself, behind the same proxy as the APIs."""
    return Service(
        name="horizon",
        packages=("openstack-dashboard-apache", "python3-pymemcache"),
        files=(
            File("/etc/openstack-dashboard/local_settings.d/_90_lab.py", settings(cloud), mode="0644"),
            File(
                "/etc/apache2/ports.conf", f"# Written by Strata: the proxy speaks to the world.\nListen 127.0.0.1:{BEHIND}\n", mode="0644"
            ),
            File(SITE, configuration(cloud), mode="0644"),
        ),
        commands=(
            # The package's own: a site with TLS without its module, with which Apache does not start, and pages that answer 500.
            Command(
                "none of the packages' sites", ("a2dissite", "-q", "-f", "000-default", "default-ssl", "openstack-dashboard-alias-only")
            ),
            Command("its own pages", ("a2enconf", "-q", "lab-horizon")),
        ),
        apis=(Api("horizon", "", PORT, behind=BEHIND),),
        units=("apache2",),
        port=BEHIND,
        probe=f"http://127.0.0.1:{BEHIND}/horizon/auth/login/",
        probe_name=cloud.name,
    )


def settings(cloud: Cloud) -> str:
    """What Django reads last of all."""
    return f"""# Written by Strata: what is not as packaged, each with its reason.
# It answers to the name in its certificate only.
ALLOWED_HOSTS = [{cloud.name!r}, {cloud.control_address!r}]
# Clients come by TLS, which ends at the proxy; a cookie is never sent without.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_SECURE = True
OPENSTACK_HOST = {cloud.name!r}
OPENSTACK_KEYSTONE_URL = {cloud.url(5000, "/v3")!r}
# Who is logged in is remembered on the machine only.
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache", "LOCATION": {MEMCACHED!r}}}}}
TIME_ZONE = "UTC"
"""


def configuration(cloud: Cloud) -> str:
    """Of Apache, which does not know that clients come by TLS."""
    # Its interpreter has to be the main one, since libraries in it refuse another; and the daemon is named before what runs in it.
    return f"""# Written by Strata: instead of the package's, whose pages answer with status 500.
WSGIDaemonProcess horizon user=www-data group=www-data processes=1 threads=4 display-name=wsgi:horizon
WSGIScriptAlias /horizon /usr/share/openstack-dashboard/wsgi.py process-group=horizon application-group=%{{GLOBAL}}
WSGIProcessGroup horizon
WSGIApplicationGroup %{{GLOBAL}}
Alias /static /var/lib/openstack-dashboard/static
Alias /horizon/static /var/lib/openstack-dashboard/static
RedirectMatch ^/$ https://{cloud.name}/horizon/
<Directory /usr/share/openstack-dashboard>
  Require all granted
</Directory>
<Directory /var/lib/openstack-dashboard/static>
  Require all granted
</Directory>
"""

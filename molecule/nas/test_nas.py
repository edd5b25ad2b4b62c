"""What a NAS promises: to whom its datasets are open, and to whom they are not. Every expectation comes from the variables of role nas."""

import itertools
import secrets

import pytest
import shares

from lab.reboots import reboot
from lab.together import each
from lab.wait import wait_for

STRANGER = 54321  # the number of nobody here
BOOT_SECONDS = 180
SHUT = "timeout 6 python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)' %s %s"
LEFT_MIB = 4
NUMBERS = itertools.count(1)
MARK = f"check-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def stores(members, lab, variables):
    found = [shares.Store(name, lab(name), variables(name)) for name in members("nas")]
    assert found, "no machine is in group nas, so nothing can be checked"
    yield found
    each(lambda store: store.clean(f"{MARK}*"), found)


@pytest.fixture(scope="module")
def clients(members, lab, variables, stores):
    """[(store, client)] with the address each client comes from."""

    def one(pair):
        store, name = pair
        return store, shares.Client(name, lab(name), variables(name), shares.source(lab(name), store.address))

    found = each(one, [(store, name) for store in stores for name in members("client")])
    assert found, "no machine is in group client, so nothing can be checked"
    return found


def exported(clients):
    """[(store, client, dataset, export)] of all who may."""
    found = [(store, client, dataset, client.export(dataset)) for store, client in clients for dataset in store.datasets]
    return [(store, client, dataset, export) for store, client, dataset, export in found if export]


def writable(clients):
    """Those of them where the owner may write."""
    found = [(case, *case[2:]) for case in exported(clients)]
    return [case for case, dataset, export in found if shares.may_write(dataset, export, dataset["owner"], dataset["group"])]


def shared(clients):
    """[(store, client, dataset)] of machines from which people may use a share."""
    found = [(store, client, dataset) for store, client in clients for dataset in store.datasets if dataset["share"]["users"]]
    return [(store, client, dataset) for store, client, dataset in found if client.may_use(dataset["share"]["clients"])]


def label(*parts):
    """A name nobody had before: NFS makes no file twice."""
    return "-".join(map(str, (MARK, next(NUMBERS), *parts)))


def check_services(store):
    units = ["nas-storage", "smbd"] if any(dataset["share"]["users"] for dataset in store.datasets) else ["nas-storage"]
    states = store.host.run("systemctl is-active nfs-server nfs-ganesha").stdout.split()
    assert states.count("active") == 1, f"{store.name}: {states}"
    assert store.host.run("systemctl is-active" + " %s" * len(units), *units).stdout.split() == ["active"] * len(units), store.name
    assert not store.host.run("systemctl list-units --failed --plain --no-legend | grep -E %s", "nfs|nas|smb|rpc|ganesha").stdout


def test_servers_run(stores):
    each(check_services, stores)


def check_datasets(store):
    for dataset in store.datasets:
        path = dataset["path"]
        owner = store.host.check_output("stat -c %s %s", "%u %g %a", path).split()
        assert owner == [str(dataset["owner"]), str(dataset["group"]), f"{int(dataset['mode'], 8):o}"], f"{store.name}:{path}"
        assert store.host.run("findmnt --mountpoint %s", path).rc == 0, f"{store.name}:{path} is not mounted"


def test_datasets_are_mounted_and_belong_to_whom_the_site_says(stores):
    each(check_datasets, stores)


def test_only_one_port_serves_nfs(stores):
    for store in stores:
        ports = store.host.check_output("ss --no-header --listening --tcp --numeric --processes")
        assert ":111 " not in ports, f"{store.name}: rpcbind listens"


def check_writers(case):
    """Everyone writes where the rules say so, as themselves, and nowhere else; what is refused is said to be so."""
    store, client, dataset, export = case
    for uid, gid in {(dataset["owner"], dataset["group"]), (0, 0), (STRANGER, STRANGER)}:
        name, where = label(client.name, uid), f"{client.name} as {uid} on {store.name}:{dataset['path']}"
        done = client.nfs_write(store, dataset, name, uid, gid)
        if shares.may_write(dataset, export, uid, gid):
            assert done.rc == 0, f"{where}: {done.stderr}"
            user, group = shares.effective(dataset, export, uid, gid)
            kept = dataset["group"] if int(dataset["mode"], 8) & 0o2000 else group
            assert store.owner(dataset, name) == (user, kept), where
            assert client.nfs_read(store, dataset, name, uid, gid).stdout.strip() == client.host.check_output("cat /etc/hostname"), where
        else:
            assert done.rc != 0, f"{where}: was let in"
            assert ("NFS4ERR_ROFS" if export["read_only"] else "NFS4ERR_ACCESS") in done.stderr, f"{where}: {done.stderr}"
            assert store.owner(dataset, name) is None, where


def test_a_client_writes_as_who_it_is_and_nobody_else_does(clients):
    cases = exported(clients)
    assert cases, "no client may use any export, so nothing can be checked"
    each(check_writers, cases)


def check_reader(case):
    store, client, dataset, _ = case
    if int(dataset["mode"], 8) & 0o005 != 0o005:
        return
    name = label("read", client.name)
    store.put(dataset, name, MARK)
    done = client.nfs_read(store, dataset, name, STRANGER, STRANGER)
    assert done.stdout == MARK, f"{client.name} on {store.name}:{dataset['path']}: {done.stderr}"


def test_a_client_reads_what_is_there_for_everyone(clients):
    each(check_reader, exported(clients))


def check_foreigner(case):
    """Who is no client of a dataset does not get at it: turned away by the network, by the firewall or by the server."""
    store, client, dataset = case
    where = f"{client.name} ({client.source}) on {store.name}:{dataset['path']}"
    if client.export(dataset) is None:
        assert client.nfs_read(store, dataset, "", dataset["owner"], dataset["group"]).rc != 0, where
        name = label("foreign")
        assert client.nfs_write(store, dataset, name, dataset["owner"], dataset["group"]).rc != 0, where
        assert store.owner(dataset, name) is None, where


def check_doors(case):
    """A port is open to clients of something behind it, and shut to everyone else."""
    store, client = case
    nfs = any(client.export(dataset) for dataset in store.datasets)
    smb = any(dataset["share"]["users"] and client.may_use(dataset["share"]["clients"]) for dataset in store.datasets)
    for port, is_open in ((2049, nfs), (445, smb)):
        done = client.host.run(SHUT, store.address, str(port))
        assert (done.rc == 0) == is_open, f"{client.name} ({client.source}) to {store.name} port {port}: {done.stderr}"
    return nfs or smb


def test_a_foreign_subnet_finds_every_door_shut(clients):
    reached = each(check_doors, clients)
    assert not all(reached), "every client may use something, so nothing is proven about others"


def test_a_client_of_one_dataset_is_none_of_another(clients):
    near = [(store, client) for store, client in clients if any(client.export(dataset) for dataset in store.datasets)]
    each(check_foreigner, [(store, client, dataset) for store, client in near for dataset in store.datasets])


def check_share(case):
    """Users of a share get in with their password and with nothing else; others not at all."""
    store, client, dataset = case
    for user in store.users.values():
        name, where = label("smb", client.name, user["name"]), f"{user['name']} from {client.name} on {store.name}:{dataset['name']}"
        done = client.smb(store, dataset, f"put /etc/hostname {name}; ls", (user["name"], user["password"]))
        if user["name"] not in dataset["share"]["users"]:
            assert done.returncode != 0 and "NT_STATUS_ACCESS_DENIED" in done.stdout + done.stderr, f"{where}: {done.stdout}"
        elif dataset["share"]["read_only"]:
            assert "NT_STATUS_ACCESS_DENIED" in done.stdout + done.stderr, f"{where}: {done.stdout}"
            assert "blocks available" in done.stdout, f"{where}: cannot read: {done.stdout}"
        else:
            assert done.returncode == 0, f"{where}: {done.stdout} {done.stderr}"
            assert store.owner(dataset, name) == (user["uid"], dataset["group"]), where
        wrong = client.smb(store, dataset, "ls", (user["name"], user["password"] + "x"))
        assert "NT_STATUS_LOGON_FAILURE" in wrong.stdout + wrong.stderr, f"{where}, wrong password: {wrong.stdout}"
    nobody = client.smb(store, dataset, "ls")
    assert nobody.returncode != 0 and "blocks available" not in nobody.stdout, f"{client.name} without a password: {nobody.stdout}"


def test_a_share_opens_to_its_users_with_their_passwords_only(clients):
    cases = shared(clients)
    if any(dataset["share"]["users"] for store, _ in clients for dataset in store.datasets):
        assert cases, "no client may use any share, so nothing can be checked"
    each(check_share, cases)


def check_snapshot(case):
    """A file that was deleted comes back from a snapshot, the way role nas describes."""
    store, dataset = case
    name, word = label("snapshot"), dataset["name"]
    store.put(dataset, name, MARK)
    done = store.host.run("systemctl start %s", f"nas-snapshot@{word}.service")
    assert done.rc == 0, store.host.run("journalctl -n 20 -u %s", f"nas-snapshot@{word}.service").stdout
    store.host.check_output("rm %s", f"{dataset['path']}/{name}")
    newest = store.host.check_output("nas-snapshot list %s", word).split()[-1]
    place = store.host.check_output("nas-snapshot open %s %s", word, newest).strip()
    try:
        assert store.host.run("touch %s", f"{place}/{name}").rc != 0, f"{place} can be written"
        store.host.check_output("cp -p %s %s", f"{place}/{name}", f"{dataset['path']}/")
    finally:
        store.host.run("nas-snapshot close %s %s", word, newest)
    assert store.host.check_output("cat %s", f"{dataset['path']}/{name}") == MARK
    assert store.host.run("systemctl is-active %s", f"nas-snapshot@{word}.timer").stdout.strip() == "active"
    kept = sum(dataset["snapshots"].values())
    assert len(store.host.check_output("nas-snapshot list %s", word).split()) <= kept


def test_a_snapshot_brings_a_deleted_file_back(stores):
    each(check_snapshot, [(store, dataset) for store in stores for dataset in store.datasets if any(dataset["snapshots"].values())])


@pytest.mark.disruptive
def test_a_dataset_holds_no_more_than_its_size_and_says_that_it_is_full(clients):
    writers = {(store.name, dataset["name"]): (store, client, dataset, export) for store, client, dataset, export in writable(clients)}
    assert writers, "no client may write anywhere, so nothing can be checked"
    each(check_limit, writers.values())


def check_limit(case):
    store, client, dataset, _ = case
    path, fill, full = dataset["path"], label("fill"), label("full")
    free = int(store.host.check_output("df --block-size=1M --output=avail %s | tail -1", path))
    used = int(store.host.check_output("du --summarize --block-size=1M %s", path).split()[0])
    fill_mib = min(free, dataset["size_mib"] - used) - LEFT_MIB  # of a dataset on btrfs, df does not show the limit
    try:
        store.host.check_output("fallocate -l %s %s", f"{fill_mib}M", f"{path}/{fill}")
        said = shares.write_until(store, client, dataset, full, dataset["owner"], dataset["group"], 4 * LEFT_MIB)
        assert "NOSPC" in said or "DQUOT" in said, f"{store.name}:{path}: {said}"
    finally:
        store.host.run("rm -f %s %s", f"{path}/{fill}", f"{path}/{full}")


def check_missing(case):
    """What would be written while a disk is missing must not end up on the machine's own disk."""
    store, client, dataset, _ = case
    server = "nfs-server" if store.host.run("systemctl is-active nfs-server").rc == 0 else "nfs-ganesha"
    store.host.check_output("systemctl stop %s", server)
    try:
        store.host.check_output("umount %s", dataset["path"])
        store.host.run("systemctl start %s", server)
        done = client.nfs_write(store, dataset, label("missing"), dataset["owner"], dataset["group"])
        assert done.rc != 0, f"{client.name} wrote to {store.name}:{dataset['path']}, which is not mounted"
    finally:
        store.host.run("systemctl stop %s", server)
        mounted = store.host.run("nas-storage mount")
        store.host.run("systemctl start %s", server)
    assert mounted.rc == 0, mounted.stderr
    wait_until_served(case)


def wait_until_served(case):
    """A kernel's server that was restarted opens no file for its grace period, so that who held locks can have them back."""
    store, client, dataset, _ = case
    wait_for(
        f"dataset {dataset['name']} to be served again",
        lambda: client.nfs_write(store, dataset, label("back"), dataset["owner"], dataset["group"]).rc,
        lambda seen: seen == 0,
        BOOT_SECONDS,
        where=store.name,
    )


@pytest.mark.disruptive
def test_a_dataset_whose_disk_is_missing_is_not_served_from_the_folder_below(clients):
    each(check_missing, {store.name: (store, client, dataset, export) for store, client, dataset, export in writable(clients)}.values())


def restart(store):
    reboot(store.host, store.name, BOOT_SECONDS)
    ports = [2049, 445] if any(dataset["share"]["users"] for dataset in store.datasets) else [2049]
    wait_for(
        f"ports {ports} of the NAS",
        lambda: [port for port in ports if f":{port} " in store.host.run("ss --no-header --listening --tcp --numeric").stdout],
        lambda seen: seen == ports,
        BOOT_SECONDS,
        where=store.name,
    )


@pytest.mark.disruptive
def test_all_of_it_holds_after_a_reboot(stores, clients):
    each(restart, stores)
    each(wait_until_served, {case[0].name: case for case in writable(clients)}.values())
    each(check_services, stores)
    each(check_datasets, stores)
    each(check_writers, exported(clients))
    each(check_share, shared(clients))
    test_a_foreign_subnet_finds_every_door_shut(clients)
    test_a_snapshot_brings_a_deleted_file_back(stores)

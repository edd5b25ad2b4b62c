"""Which collections there are, and under which."""

from __future__ import annotations

from lab.simulators.ovirt.collection import Collection, under
from lab.simulators.ovirt.resources import networks, records
from lab.simulators.ovirt.resources.affinity import AffinityGroups
from lab.simulators.ovirt.resources.clusters import Clusters, CpuProfiles, SchedulingPolicies
from lab.simulators.ovirt.resources.data_centers import DataCenters, MacPools
from lab.simulators.ovirt.resources.disks import Disks, DisksOfDomain
from lab.simulators.ovirt.resources.hosts import Hosts
from lab.simulators.ovirt.resources.storage import AttachedDomains, DiskProfiles, ExportedVms, StorageDomains
from lab.simulators.ovirt.resources.templates import Templates, TemplatesOfDomain
from lab.simulators.ovirt.resources.transfers import ImageTransfers
from lab.simulators.ovirt.resources.vms import Vms


def roots() -> dict[str, Collection]:
    """The collections directly under the API's root, by name."""
    Clusters.children = {
        "affinitygroups": AffinityGroups(),
        "cpuprofiles": under(CpuProfiles, "cluster"),
        "networkfilters": networks.NetworkFilters(),
        "networks": networks.NetworksOfCluster(),
    }
    DataCenters.children = {
        "clusters": under(Clusters, "data_center"),
        "networks": under(networks.Networks, "data_center"),
        "storagedomains": AttachedDomains(),
    }
    StorageDomains.children = {
        "diskprofiles": under(DiskProfiles, "storage_domain"),
        "disks": DisksOfDomain(),
        "templates": TemplatesOfDomain(),
        "vms": ExportedVms(),
    }
    collections: list[Collection] = [
        Clusters(),
        CpuProfiles(),
        DataCenters(),
        DiskProfiles(),
        Disks(),
        records.Events(),
        Hosts(),
        ImageTransfers(),
        records.Jobs(),
        MacPools(),
        networks.NetworkFilters(),
        networks.Networks(),
        records.OperatingSystems(),
        SchedulingPolicies(),
        StorageDomains(),
        records.Tags(),
        Templates(),
        records.Users(),
        Vms(),
        networks.VnicProfiles(),
    ]
    return {collection.rel: collection for collection in collections}

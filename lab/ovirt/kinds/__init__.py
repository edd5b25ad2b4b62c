"""One module per resource: how it is found, and how it is made, changed and removed."""

from __future__ import annotations

from collections.abc import Mapping

from lab.ovirt.kinds.affinity_groups import AffinityGroups
from lab.ovirt.kinds.base import Kind
from lab.ovirt.kinds.clusters import Clusters
from lab.ovirt.kinds.data_centers import DataCenters
from lab.ovirt.kinds.hypervisor_networks import HypervisorNetworks
from lab.ovirt.kinds.hypervisors import Hypervisors
from lab.ovirt.kinds.mac_pools import MacPools
from lab.ovirt.kinds.networks import Networks
from lab.ovirt.kinds.storage_domains import StorageDomains
from lab.ovirt.kinds.templates import Templates
from lab.ovirt.kinds.vms import Vms
from lab.ovirt.kinds.vnic_profiles import VnicProfiles

KINDS: Mapping[str, Kind] = {
    "mac_pool": MacPools(),
    "data_center": DataCenters(),
    "cluster": Clusters(),
    "network": Networks(),
    "vnic_profile": VnicProfiles(),
    "hypervisor": Hypervisors(),
    "hypervisor_network": HypervisorNetworks(),
    "storage_domain": StorageDomains(),
    "template": Templates(),
    "vm": Vms(),
    "affinity_group": AffinityGroups(),
}

"""What stands behind the simulator in a rehearsal: hypervisors that are network namespaces, and virtual machines that really boot."""

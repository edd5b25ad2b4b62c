"""Stand-ins for systems a rehearsal has no hardware for. Each says everywhere that it is one."""

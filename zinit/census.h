#pragma once

/* What /proc tells of the node as a whole, for the console page: what listens on the network, how much memory is in
 * use. `root` is "" on a node, a folder with a proc in it in tests. The texts are the caller's, free(); NULL when
 * memory is out. */

/* Sockets that take something from whoever sends it: TCP that listens, UDP and UDP-Lite that is bound and not
 * connected, raw IP ones are left out (ICMP alone). "none", or "tcp 0.0.0.0:80, udp [::]:53". Those of a DHCP client
 * (RFC 2131 §4.1: port 68; RFC 8415 §7.2: 546), which the firewall shields, stand in brackets behind: "none (DHCP
 * client: udp 0.0.0.0:68)". Containers have namespaces of their own and aren't seen. */
char *census_listening(const char *root);

/* "41 MiB of 480 MiB used": MemTotal less MemAvailable (proc_meminfo(5)). */
char *census_memory(const char *root);

/* "0.10 0.05 0.01": the load of the last 1, 5 and 15 minutes (proc_loadavg(5)). */
char *census_load(const char *root);

/* "zinit 1.2 MiB, storaged 3.0 MiB": the resident size of each process whose program lies in the node's /bin, summed by
 * name, in the order of their first process. */
char *census_resident(const char *root);

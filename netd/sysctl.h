#pragma once

/* The kernel's network settings below /proc/sys/net (Documentation/networking/ip-sysctl.rst), of the namespace that the
 * calling thread is in. A setting that isn't there is passed over; another failure is logged as a warning. */

/* The node's own, once at start. */
void sysctl_set_node(void);
/* One of a link: `family` "ipv4" or "ipv6". */
void sysctl_set_link(const char *family, const char *link, const char *name, const char *value);
/* In a container's namespace, as netns_run's work: it forwards nothing, and takes no router advertisements. Always 0.
 */
int sysctl_set_container(void *unused);
/* In a network's namespace: it forwards between its bridge and its tunnel. Always 0. */
int sysctl_set_network(void *unused);

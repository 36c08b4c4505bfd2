#pragma once

/* Netlink's transport: sockets, requests that are acknowledged, dumps. Messages are built with libnl's nlmsg_ and nla_
 * functions; sending and receiving is done here, since libnl maps the kernel's errno to fewer codes of its own. */

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stddef.h>
#include <stdint.h>

/* A socket of the network namespace that the calling thread is in (netns.h has the way into others). The descriptor, or
 * negative errno, logged. */
int netlink_open(int protocol);
/* Joins a multicast group (RTNLGRP_…). 0, or negative errno, logged. */
int netlink_join(int fd, unsigned group);

/* A request with room for its attributes. NULL when memory is out. */
struct nl_msg *netlink_request(int type, int flags, const void *header, size_t header_size);

/* Sends the request (freed in any case; NULL gives -ENOMEM) and waits for its acknowledgement. 0, or the kernel's
 * negative errno; silent, since the caller knows whether -EEXIST or -ENODEV matter; the kernel's own explanation
 * (extended ack) is logged as debug. */
int netlink_call(int fd, struct nl_msg *request);

/* Called for each message of an answer. */
typedef void netlink_receive(void *context, struct nlmsghdr *message);
/* Sends a request that is answered with messages (NLM_F_DUMP, or a single get), calls `receive` for each, until the end
 * of it. A dump that the kernel says was interrupted by a change gives -EINTR: ask again. 0 or negative errno. */
int netlink_query(int fd, struct nl_msg *request, netlink_receive *receive, void *context);

/* Sends bytes that hold a batch of messages, of which one with sequence `last` asks for its acknowledgement. 0, or the
 * negative errno of the first that failed. */
int netlink_send_batch(int fd, const void *bytes, size_t size, uint32_t last);

/* Reads away whatever waits (a multicast socket's notifications); never blocks. The number of datagrams read. */
unsigned netlink_drain(int fd);

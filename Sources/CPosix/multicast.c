// SPDX-License-Identifier: Apache-2.0

// UDP multicast, for multicast DNS (RFC 6762).
#define _GNU_SOURCE
#define _TIME_BITS 64
#define _FILE_OFFSET_BITS 64

#include "CPosix.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

enum { MDNS_PORT = 5353, GROUP4 = 0xe00000fb };
#define GROUP6 {0xff, 0x02, [15] = 0xfb}

static uint8_t leading_ones(const uint8_t *bytes, size_t count) {
    uint8_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint8_t bit = 0x80; bit != 0; bit >>= 1) {
            if (!(bytes[i] & bit)) return bits;
            bits++;
        }
    }
    return bits;
}

int CPosix_networks(struct CPosix_network *list, int capacity) {
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0) return -errno;
    const unsigned wanted = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    int count = 0;
    for (struct ifaddrs *next = all; next != NULL && count < capacity; next = next->ifa_next) {
        if ((next->ifa_flags & (wanted | IFF_LOOPBACK)) != wanted) continue;
        if (next->ifa_addr == NULL || next->ifa_netmask == NULL) continue;
        struct CPosix_network network = {.interface = if_nametoindex(next->ifa_name)};
        if (network.interface == 0) continue;
        if (next->ifa_addr->sa_family == AF_INET) {
            memcpy(network.address, &((struct sockaddr_in *)(void *)next->ifa_addr)->sin_addr, 4);
            network.prefix_bits =
                leading_ones((const uint8_t *)&((struct sockaddr_in *)(void *)next->ifa_netmask)->sin_addr, 4);
        } else if (next->ifa_addr->sa_family == AF_INET6) {
            network.is_ipv6 = true;
            memcpy(network.address, &((struct sockaddr_in6 *)(void *)next->ifa_addr)->sin6_addr, 16);
            network.prefix_bits =
                leading_ones((const uint8_t *)&((struct sockaddr_in6 *)(void *)next->ifa_netmask)->sin6_addr, 16);
        } else {
            continue;
        }
        list[count++] = network;
    }
    freeifaddrs(all);
    return count;
}

// The hop limit is 255 (RFC 6762 section 11). Bound, so that the port is there before the first packet is sent.
static int prepare(int descriptor, bool is_ipv6, bool answers) {
    const int one = 1, zero = 0, hops = 255, room = 1 << 20;
    // As much as the kernel gives: a flood should not push out the answers among it.
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (is_ipv6) {
        struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(answers ? MDNS_PORT : 0)};
        // What it sends is not for itself, and nobody else here has the port.
        if (answers && setsockopt(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &zero, sizeof zero) < 0) return -errno;
        if (answers && setsockopt(descriptor, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops) < 0) return -errno;
        if (setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) return -errno;
        if (setsockopt(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) < 0) return -errno;
        if (setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one) < 0) return -errno;
        if (bind(descriptor, (struct sockaddr *)&any, sizeof any) < 0) return -errno;
    } else {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(answers ? MDNS_PORT : 0)};
        if (answers && setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, &zero, sizeof zero) < 0) return -errno;
        if (answers && setsockopt(descriptor, IPPROTO_IP, IP_TTL, &hops, sizeof hops) < 0) return -errno;
        if (setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops) < 0) return -errno;
        if (setsockopt(descriptor, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) < 0) return -errno;
        if (bind(descriptor, (struct sockaddr *)&any, sizeof any) < 0) return -errno;
    }
    return 0;
}

int CPosix_multicast_socket(bool is_ipv6, bool answers) {
    int descriptor = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int code = prepare(descriptor, is_ipv6, answers);
    if (code < 0) {
        close(descriptor);
        return code;
    }
    return descriptor;
}

int CPosix_multicast_join(int descriptor, bool is_ipv6, uint32_t interface) {
    int code;
    if (is_ipv6) {
        struct ipv6_mreq group = {.ipv6mr_multiaddr = {.s6_addr = GROUP6}, .ipv6mr_interface = interface};
        code = setsockopt(descriptor, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group);
    } else {
        struct ip_mreqn group = {.imr_multiaddr = {.s_addr = htonl(GROUP4)}, .imr_ifindex = (int)interface};
        code = setsockopt(descriptor, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
    }
    return code < 0 && errno != EADDRINUSE ? -errno : 0;
}

int CPosix_unicast_send(int descriptor, const struct CPosix_peer *to, const uint8_t *bytes, size_t count) {
    ssize_t n;
    if (to->is_ipv6) {
        // A link-local destination goes out by the interface of its scope.
        struct sockaddr_in6 peer = {
            .sin6_family = AF_INET6, .sin6_port = htons(to->port), .sin6_scope_id = to->interface};
        memcpy(&peer.sin6_addr, to->address, 16);
        do n = sendto(descriptor, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&peer, sizeof peer);
        while (n < 0 && errno == EINTR);
    } else {
        struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(to->port)};
        memcpy(&peer.sin_addr, to->address, 4);
        struct in_pktinfo way = {.ipi_ifindex = (int)to->interface};
        union {
            struct cmsghdr head;
            char bytes[CMSG_SPACE(sizeof way)];
        } control = {.bytes = {0}};
        control.head.cmsg_level = IPPROTO_IP;
        control.head.cmsg_type = IP_PKTINFO;
        control.head.cmsg_len = CMSG_LEN(sizeof way);
        memcpy(CMSG_DATA(&control.head), &way, sizeof way);
        struct iovec data = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
        struct msghdr message = {
            .msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = &data, .msg_iovlen = 1,
            .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
        do n = sendmsg(descriptor, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
    }
    return n < 0 ? -errno : 0;
}

int CPosix_multicast_send(int descriptor, bool is_ipv6, uint32_t interface, const uint8_t *bytes, size_t count) {
    struct CPosix_peer group = {.interface = interface, .is_ipv6 = is_ipv6, .port = MDNS_PORT};
    const uint8_t group6[] = GROUP6;
    const uint32_t group4 = htonl(GROUP4);
    if (is_ipv6) memcpy(group.address, group6, sizeof group6);
    else memcpy(group.address, &group4, sizeof group4);
    return CPosix_unicast_send(descriptor, &group, bytes, count);
}

int64_t CPosix_multicast_receive(int descriptor, uint8_t *bytes, size_t capacity, struct CPosix_peer *sender) {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } from = {.any = {.sa_family = AF_UNSPEC}};
    union {
        struct cmsghdr alignment;
        char bytes[256];
    } control;
    struct iovec data = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &data, .msg_iovlen = 1,
        .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do n = recvmsg(descriptor, &message, MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    memset(sender, 0, sizeof *sender);
    for (struct cmsghdr *next = CMSG_FIRSTHDR(&message); next != NULL; next = CMSG_NXTHDR(&message, next)) {
        if (next->cmsg_level == IPPROTO_IP && next->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(next), sizeof info);
            sender->interface = (uint32_t)info.ipi_ifindex;
        } else if (next->cmsg_level == IPPROTO_IPV6 && next->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(next), sizeof info);
            sender->interface = info.ipi6_ifindex;
        }
    }
    if (from.any.sa_family == AF_INET) {
        memcpy(sender->address, &from.ipv4.sin_addr, 4);
        sender->port = ntohs(from.ipv4.sin_port);
    } else if (from.any.sa_family == AF_INET6) {
        sender->is_ipv6 = true;
        memcpy(sender->address, &from.ipv6.sin6_addr, 16);
        sender->port = ntohs(from.ipv6.sin6_port);
    }
    return n;
}

bool CPosix_is_on_link(const struct CPosix_peer *sender, const struct CPosix_network *list, int count) {
    for (int i = 0; i < count; i++) {
        if (list[i].is_ipv6 != sender->is_ipv6) continue;
        size_t whole = list[i].prefix_bits / 8;
        uint8_t mask = (uint8_t)(0xff00 >> list[i].prefix_bits % 8);
        if (memcmp(list[i].address, sender->address, whole) != 0) continue;
        if (mask == 0 || ((list[i].address[whole] ^ sender->address[whole]) & mask) == 0) return true;
    }
    return false;
}

bool CPosix_is_own(const struct CPosix_peer *peer, const struct CPosix_network *list, int count) {
    for (int i = 0; i < count; i++) {
        if (list[i].is_ipv6 == peer->is_ipv6 && memcmp(list[i].address, peer->address, 16) == 0) return true;
    }
    return false;
}

void CPosix_address_text(const uint8_t *address, bool is_ipv6, uint32_t interface, char *text) {
    char name[IF_NAMESIZE];
    text[0] = '\0';
    if (inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, address, text, CPOSIX_ADDRESS_TEXT_SIZE) == NULL || interface == 0) return;
    size_t used = strlen(text);
    if (if_indextoname(interface, name) != NULL) {
        snprintf(text + used, CPOSIX_ADDRESS_TEXT_SIZE - used, "%%%s", name);
    } else {
        snprintf(text + used, CPOSIX_ADDRESS_TEXT_SIZE - used, "%%%u", (unsigned)interface);
    }
}

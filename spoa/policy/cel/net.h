/* IP addresses and networks as values. */
#ifndef POLICY_CEL_NET_H
#define POLICY_CEL_NET_H

#include "policy/cel/cel.h"

/* Longest text of cel_net_write(), with its NUL. */
#define CEL_NET_TEXT 48

/* "10.0.0.1", "2001:db8::1": 0 or ERR_SYNTAX. No zone, no dotted IPv4 within
 * IPv6; ::ffff:a00:1 is the IPv4 address it stands for. */
int cel_ip_parse(struct span s, struct cel_value *out);
/* "10.0.0.0/8"; bits after the prefix are kept. */
int cel_cidr_parse(struct span s, struct cel_value *out);
/* The canonical form (RFC 5952), of networks with its prefix. */
size_t cel_net_write(const struct cel_value *v, char out[CEL_NET_TEXT]);
/* Whether the address, or the whole network, lies within. */
bool cel_cidr_contains(const struct cel_value *cidr, const struct cel_value *v);

#endif

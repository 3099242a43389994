/* IP addresses and networks as values. */
#ifndef POLICY_CEL_NET_H
#define POLICY_CEL_NET_H

#include "policy/cel/cel.h"

/* bytes of the longest text of cel_net_write(), with its NUL */
#define CEL_NET_TEXT 48

/* Parses "10.0.0.1" or "2001:db8::1". Zones and dotted IPv4 within IPv6 are errors;
 * ::ffff:a00:1 is read as the IPv4 address it stands for. Returns 0 or ERR_SYNTAX. */
int cel_ip_parse(struct span s, struct cel_value *out);
/* Parses "10.0.0.0/8". Bits after the prefix are kept. Returns 0 or ERR_SYNTAX. */
int cel_cidr_parse(struct span s, struct cel_value *out);
/* Writes the canonical form (RFC 5952), for networks with the prefix. Returns the length. */
size_t cel_net_write(const struct cel_value *v, char out[CEL_NET_TEXT]);
/* Returns true if the address, or the whole network, is within `cidr`. */
bool cel_cidr_contains(const struct cel_value *cidr, const struct cel_value *v);

#endif

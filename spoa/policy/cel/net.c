/* Text forms of IP addresses and networks. libc parses and writes them, except for IPv6
 * addresses that it writes with dots. RFC 4291, 5952. */
#include "policy/cel/net.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/err.h"

int
cel_ip_parse(struct span s, struct cel_value *out)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct cel_value v = { .type = CEL_IP, .family = 4 };
	char text[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return ERR_SYNTAX;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	bool v6 = strchr(text, ':') != NULL;
	if (v6 && strchr(text, '.'))
		return ERR_SYNTAX;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, v.ip) != 1)
		return ERR_SYNTAX;
	if (v6 && memcmp(v.ip, mapped, sizeof(mapped)) == 0) {
		memmove(v.ip, v.ip + 12, 4);
		memset(v.ip + 4, 0, 12);
	} else if (v6) {
		v.family = 6;
	}
	*out = v;
	return 0;
}

int
cel_cidr_parse(struct span s, struct cel_value *out)
{
	size_t slash = span_chr(s, '/');
	struct span digits = span_cut(s, slash + 1, s.n);
	struct cel_value v;
	uint64_t prefix;

	if (slash == s.n || cel_ip_parse(span_cut(s, 0, slash), &v))
		return ERR_SYNTAX;
	/* an address that is written as IPv6 but means IPv4 has no prefix of its own */
	bool v6 = memchr(s.p, ':', slash) != NULL;
	if (v6 != (v.family == 6) || digits.n == 0 || digits.n > 3 ||
		(digits.n > 1 && digits.p[0] == '0') || span_u64(digits, &prefix) ||
		prefix > (v.family == 4 ? 32 : 128))
		return ERR_SYNTAX;
	v.type = CEL_CIDR;
	v.prefix = (uint8_t)prefix;
	*out = v;
	return 0;
}

static unsigned
group(const struct cel_value *v, int i)
{
	return (unsigned)v->ip[2 * i] << 8 | v->ip[2 * i + 1];
}

size_t
cel_net_write(const struct cel_value *v, char out[CEL_NET_TEXT])
{
	inet_ntop(v->family == 4 ? AF_INET : AF_INET6, v->ip, out, CEL_NET_TEXT);
	/* RFC 5952: an address that libc writes with a dotted end has no dots here */
	if (v->family != 4 && strchr(out, '.'))
		sprintf(out, group(v, 5) ? "::ffff:%x:%x" : "::%x:%x", group(v, 6),
			group(v, 7));
	size_t n = strlen(out);
	if (v->type == CEL_CIDR)
		n += (size_t)sprintf(out + n, "/%u", v->prefix);
	return n;
}

bool
cel_cidr_contains(const struct cel_value *cidr, const struct cel_value *v)
{
	unsigned bits = cidr->prefix, whole = bits / 8;

	if (cidr->family != v->family || (v->type == CEL_CIDR && v->prefix < bits))
		return false;
	if (memcmp(cidr->ip, v->ip, whole) != 0)
		return false;
	return bits % 8 == 0 || ((cidr->ip[whole] ^ v->ip[whole]) >> (8 - bits % 8)) == 0;
}

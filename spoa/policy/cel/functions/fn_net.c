/* The network extension: IP addresses and networks (cel-spec, extensions/network; a library of
 * Kubernetes). */
#include "policy/cel/fn.h"
#include "policy/cel/value.h"

CEL_PARSED(ip_string, cel_ip_parse, "ip(): not an IP address")
CEL_PARSED(cidr_string, cel_cidr_parse, "cidr(): not a network such as 10.0.0.0/8")

/* Returns true if the text is an address, or a network, as `parse` reads it. */
static bool
reads(int (*parse)(struct span s, struct cel_value *out), struct span s)
{
	struct cel_value ignored;

	return parse(s, &ignored) == 0;
}

CEL_VALUE(is_ip, cel_bool(reads(cel_ip_parse, v->s)))
CEL_VALUE(is_cidr, cel_bool(reads(cel_cidr_parse, v->s)))

static void
is_canonical(CEL_ARGS)
{
	char text[CEL_NET_TEXT];
	struct cel_value ip;

	if (cel_ip_parse(v->s, &ip))
		cel_raise_lit(out, "ip.isCanonical(): not an IP address");
	else
		*out = cel_bool(span_eq(v->s, span_of(text, cel_net_write(&ip, text))));
}

/* --- kinds of addresses --- */

static bool
all_zero(const unsigned char *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n == 0;
}

static bool
unspecified(const struct cel_value *v)
{
	return all_zero(v->ip, 16);
}

static bool
loopback(const struct cel_value *v)
{
	return v->family == 4 ? v->ip[0] == 127 : all_zero(v->ip, 15) && v->ip[15] == 1;
}

static bool
link_local_unicast(const struct cel_value *v)
{
	if (v->family == 4)
		return v->ip[0] == 169 && v->ip[1] == 254;
	return v->ip[0] == 0xfe && v->ip[1] >> 6 == 2;
}

static void
is_global_unicast(CEL_ARGS)
{
	bool broadcast = v->family == 4 && v->ip[0] == 255 && v->ip[1] == 255 &&
			 v->ip[2] == 255 && v->ip[3] == 255,
	     multicast = v->family == 4 ? v->ip[0] >> 4 == 14 : v->ip[0] == 0xff;

	*out = cel_bool(!unspecified(v) && !loopback(v) && !multicast &&
			!link_local_unicast(v) && !broadcast);
}

CEL_VALUE(is_unspecified, cel_bool(unspecified(v)))
CEL_VALUE(is_loopback, cel_bool(loopback(v)))
CEL_VALUE(is_link_local_multicast,
	cel_bool(v->family == 4 ? v->ip[0] == 224 && v->ip[1] == 0 && v->ip[2] == 0
				: v->ip[0] == 0xff && (v->ip[1] & 15) == 2))
CEL_VALUE(is_link_local_unicast, cel_bool(link_local_unicast(v)))
CEL_VALUE(family, cel_int(v->family))

/* --- networks --- */

CEL_VALUE(prefix_length, cel_int(v->prefix))
CEL_VALUE(contains, cel_bool(cel_cidr_contains(v, &v[1])))

static void
contains_ip_text(CEL_ARGS)
{
	struct cel_value ip;

	if (cel_ip_parse(v[1].s, &ip))
		cel_raise_lit(out, "containsIP(): not an IP address");
	else
		*out = cel_bool(cel_cidr_contains(v, &ip));
}

static void
contains_cidr_text(CEL_ARGS)
{
	struct cel_value cidr;

	if (cel_cidr_parse(v[1].s, &cidr))
		cel_raise_lit(out, "containsCIDR(): not a network such as 10.0.0.0/8");
	else
		*out = cel_bool(cel_cidr_contains(v, &cidr));
}

static void
cidr_ip(CEL_ARGS)
{
	*out = *v;
	out->type = CEL_IP;
	out->prefix = 0;
}

static void
masked(CEL_ARGS)
{
	*out = *v;
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = v->prefix > 8 * i ? v->prefix - 8 * i : 0;
		if (kept < 8)
			out->ip[i] = (unsigned char)(out->ip[i] & (0xff00 >> kept));
	}
}

/* clang-format off */
const struct cel_fn cel_fns_net[] = {
	{ "ip",                   false, "s",  'I', ip_string,               NULL },
	{ "ip",                   false, "I",  'I', cel_same,                NULL },
	{ "cidr",                 false, "s",  'C', cidr_string,             NULL },
	{ "cidr",                 false, "C",  'C', cel_same,                NULL },
	{ "isIP",                 false, "s",  'b', is_ip,                   NULL },
	{ "isCIDR",               false, "s",  'b', is_cidr,                 NULL },
	{ "ip.isCanonical",       false, "s",  'b', is_canonical,            NULL },
	{ "family",               true,  "I",  'i', family,                  NULL },
	{ "isUnspecified",        true,  "I",  'b', is_unspecified,          NULL },
	{ "isLoopback",           true,  "I",  'b', is_loopback,             NULL },
	{ "isGlobalUnicast",      true,  "I",  'b', is_global_unicast,       NULL },
	{ "isLinkLocalMulticast", true,  "I",  'b', is_link_local_multicast, NULL },
	{ "isLinkLocalUnicast",   true,  "I",  'b', is_link_local_unicast,   NULL },
	{ "containsIP",           true,  "CI", 'b', contains,                NULL },
	{ "containsIP",           true,  "Cs", 'b', contains_ip_text,        NULL },
	{ "containsCIDR",         true,  "CC", 'b', contains,                NULL },
	{ "containsCIDR",         true,  "Cs", 'b', contains_cidr_text,      NULL },
	{ "ip",                   true,  "C",  'I', cidr_ip,                 NULL },
	{ "masked",               true,  "C",  'C', masked,                  NULL },
	{ "prefixLength",         true,  "C",  'i', prefix_length,           NULL },
	{ NULL,                   false, NULL, 0,   NULL,                    NULL },
};
/* clang-format on */

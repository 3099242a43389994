/* The network extension: IP addresses and networks (cel-spec,
 * extensions/network; the library of Kubernetes). */
#include "cel/fn.h"
#include "cel/net.h"
#include "cel/value.h"

static void
ip_string(CEL_ARGS)
{
	if (cel_ip_parse(v->s, out))
		cel_raise_lit(out, "ip(): not an IP address");
}

static void
cidr_string(CEL_ARGS)
{
	if (cel_cidr_parse(v->s, out))
		cel_raise_lit(out, "cidr(): not a network such as 10.0.0.0/8");
}

static void
is_ip(CEL_ARGS)
{
	struct cel_value ip;

	*out = cel_bool(cel_ip_parse(v->s, &ip) == 0);
}

static void
is_cidr(CEL_ARGS)
{
	struct cel_value cidr;

	*out = cel_bool(cel_cidr_parse(v->s, &cidr) == 0);
}

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

static void
to_string(CEL_ARGS)
{
	char text[CEL_NET_TEXT];
	cel_give(c, text, cel_net_write(v, text), out);
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
multicast(const struct cel_value *v)
{
	return v->family == 4 ? v->ip[0] >> 4 == 14 : v->ip[0] == 0xff;
}

static bool
link_local_multicast(const struct cel_value *v)
{
	if (v->family == 4)
		return v->ip[0] == 224 && v->ip[1] == 0 && v->ip[2] == 0;
	return v->ip[0] == 0xff && (v->ip[1] & 15) == 2;
}

static bool
link_local_unicast(const struct cel_value *v)
{
	if (v->family == 4)
		return v->ip[0] == 169 && v->ip[1] == 254;
	return v->ip[0] == 0xfe && v->ip[1] >> 6 == 2;
}

static bool
global_unicast(const struct cel_value *v)
{
	bool broadcast = v->family == 4 && v->ip[0] == 255 && v->ip[1] == 255 &&
			 v->ip[2] == 255 && v->ip[3] == 255;

	return !unspecified(v) && !loopback(v) && !multicast(v) && !link_local_unicast(v) &&
	       !broadcast;
}

/* clang-format off */
#define KIND(function, test) \
	static void function(CEL_ARGS) \
	{ \
		*out = cel_bool(test(v)); \
	}
KIND(is_unspecified,          unspecified)
KIND(is_loopback,             loopback)
KIND(is_global_unicast,       global_unicast)
KIND(is_link_local_multicast, link_local_multicast)
KIND(is_link_local_unicast,   link_local_unicast)
/* clang-format on */

static void
family(CEL_ARGS)
{
	*out = cel_int(v->family);
}

/* --- networks --- */

static void
contains(CEL_ARGS)
{
	struct cel_value other = v[1];

	*out = cel_bool(cel_cidr_contains(v, &other));
}

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

static void
prefix_length(CEL_ARGS)
{
	*out = cel_int(v->prefix);
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
	{ "string",               false, "I",  's', to_string,               NULL },
	{ "string",               false, "C",  's', to_string,               NULL },
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

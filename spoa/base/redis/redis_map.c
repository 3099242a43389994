/* The slots of keys: CRC-16/XMODEM of the key or its tag (Redis Cluster specification, "Hash
 * tags" and appendix A). Example: {user1000}.following and {user1000}.followers have the same
 * slot. */
#include "base/redis/redis_map.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/among.h"
#include "base/err.h"

static uint16_t
crc16(struct span s)
{
	unsigned crc = 0;

	for (size_t i = 0; i < s.n; i++) {
		crc ^= (unsigned)(unsigned char)s.p[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
	}
	return (uint16_t)crc;
}

unsigned
redis_slot(struct span key)
{
	size_t open = span_chr(key, '{');
	struct span rest = span_cut(key, open + 1, key.n);
	size_t close = span_chr(rest, '}');

	if (open < key.n && close > 0 && close < rest.n)
		key = span_cut(rest, 0, close);
	return crc16(key) % REDIS_SLOTS;
}

/* Numbers of up to six digits cover every slot. */
void
redis_slot_tag(unsigned slot, char out[REDIS_TAG_MAX])
{
	for (unsigned i = 0; i < 1000000; i++) {
		int n = snprintf(out, REDIS_TAG_MAX, "%u", i);
		if (redis_slot(span_of(out, (size_t)n)) == slot)
			return;
	}
	invariant_failed("every slot has a tag", __FILE__, __LINE__);
}

int
redis_place_read(struct span s, const char *asked, struct redis_place *out)
{
	size_t colon = span_behind(s, ':');
	uint64_t port;

	if (colon == 0 || span_u64(span_cut(s, colon, s.n), &port) || port == 0 || port > 65535)
		return ERR_SYNTAX;
	struct span host = span_cut(s, 0, colon - 1);
	if (host.n == 0 || span_is(host, "?"))
		host = span_str(asked);
	if (host.n == 0 || host.n >= sizeof(out->host) || memchr(host.p, '\0', host.n))
		return ERR_SYNTAX;
	*out = (struct redis_place){ .port = (unsigned)port };
	memcpy(out->host, host.p, host.n);
	return 0;
}

void
redis_place_address(struct redis_place *p)
{
	unsigned char bin[16];
	bool address =
		inet_pton(AF_INET, p->host, bin) == 1 || inet_pton(AF_INET6, p->host, bin) == 1;

	p->address[0] = '\0';
	if (address && strlen(p->host) < sizeof(p->address))
		strcpy(p->address, p->host);
}

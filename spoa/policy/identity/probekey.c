/* Keys of probes. A key is checked by making it again: its ID states the minute and kind. */
#include "policy/identity/probekey.h"

#include <sodium.h>
#include <stdio.h>

#include "policy/identity/apikeys.h"

static const char begins[] = "tg_pr0";

static int64_t
minute_of(int64_t wall_ns)
{
	return wall_ns / 1000000000 / 60;
}

/* Writes "tg_ID_" for a kind and minute: the part of a key that is not secret. */
static struct span
probe_key_head(enum probe_kind kind, int64_t minute, char out[PROBE_KEY_BYTES])
{
	unsigned char id[4];
	char digits[6];

	uint32_t bits = (uint32_t)(kind == PROBE_RELAY) << 31 | ((uint32_t)minute & 0xffffffu)
									<< 7;
	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = (unsigned char)(bits >> (24 - 8 * i));
	apikey_base32(digits, id, sizeof(id), 5);
	return span_of(out, (size_t)snprintf(out, PROBE_KEY_BYTES, "%s%s_", begins, digits));
}

static void
make_probe_key(const unsigned char secret[SHA256_BYTES], enum probe_kind kind, int64_t minute,
	struct span method, struct span body, char text[PROBE_KEY_BYTES])
{
	unsigned char mac[SHA256_BYTES];
	char about[64];
	struct sha256 h;

	int n = snprintf(about, sizeof(about), "%d\n%lld\n", (int)kind, (long long)minute);
	hmac_begin(&h, secret);
	sha256_add(&h, span_of(about, (size_t)n));
	sha256_add(&h, method);
	sha256_add(&h, SPAN_LIT("\n"));
	sha256_add(&h, body);
	hmac_end(&h, secret, mac);
	struct span head = probe_key_head(kind, minute, text);
	apikey_base32(text + head.n, mac, sizeof(mac), APIKEY_SECRET_LEN);
}

void
probe_key_make(const unsigned char secret[SHA256_BYTES], enum probe_kind kind,
	int64_t now_wall_ns, struct span method, struct span body, char text[PROBE_KEY_BYTES])
{
	make_probe_key(secret, kind, minute_of(now_wall_ns), method, body, text);
}

enum probe_kind
probe_key_read(const unsigned char secret[SHA256_BYTES], struct span text, int64_t now_wall_ns,
	struct span method, struct span body)
{
	int64_t now = minute_of(now_wall_ns);
	char want[PROBE_KEY_BYTES];

	if (!span_starts(text, span_str(begins)))
		return PROBE_NONE;
	/* One minute ahead is accepted, because the clocks of two machines differ. The MAC
	 * covers the whole body, so it is made only for the minute and kind that the ID
	 * states. */
	for (int64_t minute = now - PROBE_MINUTES; minute <= now + 1; minute++)
		for (enum probe_kind kind = PROBE_DIRECT; kind <= PROBE_RELAY; kind++) {
			if (!span_starts(text, probe_key_head(kind, minute, want)))
				continue;
			make_probe_key(secret, kind, minute, method, body, want);
			if (text.n == strlen(want) && sodium_memcmp(text.p, want, text.n) == 0)
				return kind;
		}
	return PROBE_NONE;
}

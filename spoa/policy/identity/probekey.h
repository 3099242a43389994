/* Keys of probes: `tollgate check --probe` makes one for each request that it sends, with a
 * secret derived from state_key. Daemons with the same state_key accept it for five minutes. A
 * probe key has the form of an API key, so that everything that keeps API keys from providers
 * and logs also applies to it:
 *
 *   tg_ID_SECRET
 *   ID      "pr0" and five digits in base 32: one bit for the kind, 24 bits for the minute
 *   SECRET  HMAC-SHA-256 over the kind, the minute, the method and the body
 *
 * The body is part of the MAC, so a stolen key can only repeat that one harmless request. */
#ifndef POLICY_IDENTITY_PROBEKEY_H
#define POLICY_IDENTITY_PROBEKEY_H

#include "base/sha256.h"

#define PROBE_SECRET "tollgate-probe-v1" /* label for keyfile_derive() of state_key */

enum { PROBE_KEY_BYTES = 80, PROBE_MINUTES = 5 };
enum probe_kind { PROBE_NONE, PROBE_DIRECT, PROBE_RELAY };

/* Makes the key of one request, with a NUL. */
void probe_key_make(const unsigned char secret[SHA256_BYTES], enum probe_kind kind,
	int64_t now_wall_ns, struct span method, struct span body, char text[PROBE_KEY_BYTES]);
/* Returns the kind of the key, or PROBE_NONE if the text is not a key for this method and body,
 * was made more than PROBE_MINUTES ago, or with another secret. Takes constant time in the
 * secret part. */
enum probe_kind probe_key_read(const unsigned char secret[SHA256_BYTES], struct span text,
	int64_t now_wall_ns, struct span method, struct span body);

#endif

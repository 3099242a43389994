/* Signs and verifies lines. Entries of both kinds have the same form. */
#include "gate/store/signed.h"

#include <sodium.h>
#include <stdlib.h>

enum { MAC_HEX = 2 * SHA256_BYTES };

bool
signed_write(json_t *object, const unsigned char key[SHA256_BYTES], struct buf *out)
{
	char *json = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	unsigned char mac[SHA256_BYTES];

	if (json) {
		hmac_sha256(key, span_str(json), mac);
		buf_printf(out, "%s ", json);
		buf_hex(out, mac, sizeof(mac));
	} else {
		out->failed = true;
	}
	free(json);
	return !buf_failed(out);
}

struct span
signed_json(struct span line)
{
	return span_cut(line, 0, line.n - MAC_HEX - 1);
}

bool
signed_like(struct span line, size_t most)
{
	return line.n > MAC_HEX + 2 && line.n <= most && line.p[0] == '{' &&
	       line.p[line.n - MAC_HEX - 2] == '}' && line.p[line.n - MAC_HEX - 1] == ' ';
}

json_t *
signed_read(
	struct span line, size_t most, const unsigned char key[SHA256_BYTES], struct buf *why)
{
	unsigned char mac[SHA256_BYTES], given[SHA256_BYTES];

	if (line.n < MAC_HEX + 2 || line.n > most) {
		buf_str(why, "the value is not an entry");
		return NULL;
	}
	struct span json = signed_json(line);
	hmac_sha256(key, json, mac);
	if (line.p[json.n] != ' ' || !sha256_read(span_cut(line, json.n + 1, line.n), given) ||
		sodium_memcmp(mac, given, sizeof(mac)) != 0) {
		buf_str(why, "the entry was not made with this state_key");
		return NULL;
	}
	json_t *object = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(object))
		return object;
	buf_str(why, "the entry is not a JSON object");
	json_decref(object);
	return NULL;
}

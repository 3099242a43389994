#include "record/audit/boot.h"

#include <inttypes.h>

#include "record/audit/measure.h"
#include "record/journal/chain.h"

void
audit_boot(struct buf *b, const struct config *cfg, const char *policy_version,
	const struct hashkey *hash, const struct recovery *found, const struct signkey *key,
	bool stream)
{
	char head[2 * CHAIN_HASH_BYTES + 1];

	buf_str(b, "\"type\":\"boot\",\"program\":\"tollgate " TG_VERSION "\",\"key\":");
	buf_json_str(b, span_str(key->pub.id));
	buf_str(b, ",\"config\":");
	buf_json_str(b, span_str(cfg->file));
	buf_str(b, ",\"policy\":");
	buf_json_str(b, span_str(cfg->policy));
	buf_printf(b, ",\"workers\":%u,\"stream\":%s", cfg->workers, stream ? "true" : "false");
	measure_put(b, cfg, policy_version);
	buf_printf(b, ",\"hash_key\":{\"id\":\"%s\",\"from\":\"%s\"}", hash->id,
		hash->derived ? "derived" : "file");
	if (found->at.seq == 0) {
		buf_str(b, ",\"previous\":null");
	} else {
		chain_hex(found->at.head, head);
		buf_printf(b,
			",\"previous\":{\"boot\":%" PRIu64 ",\"seq\":%" PRIu64
			",\"head\":\"%s\",\"clean\":%s}",
			found->at.boot, found->at.seq, head, found->clean ? "true" : "false");
	}
	if (found->cut_bytes)
		buf_printf(b, ",\"cut\":{\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
			found->cut_records, found->cut_bytes);
}

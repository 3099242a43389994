#include "record/audit/boot.h"

#include "base/json_put.h"
#include "record/audit/measure.h"
#include "record/journal/chain.h"

void
audit_boot(struct buf *b, const struct config *cfg, const char *policy_version,
	const struct hashkey *hash, const struct recovery *found, const struct signkey *key,
	bool stream)
{
	char head[2 * CHAIN_HASH_BYTES + 1];

	json_put_str(b, "type", "boot");
	json_put_str(b, "program", "tollgate " TG_VERSION);
	json_put_str(b, "key", key->pub.id);
	json_put_str(b, "config", cfg->file);
	json_put_str(b, "policy", cfg->policy);
	json_put_uint(b, "workers", cfg->workers);
	json_put_bool(b, "stream", stream);
	measure_put(b, cfg, policy_version);
	json_put_form(b, "'hash_key':{'id':%s,'from':%s}", hash->id,
		hash->derived ? "derived" : "file");
	if (found->at.seq == 0) {
		json_put_null(b, "previous");
	} else {
		chain_hex(found->at.head, head);
		json_put_form(b, "'previous':{'boot':%u,'seq':%u,'head':%s", found->at.boot,
			found->at.seq, head);
		json_put_bool(b, "clean", found->clean);
		json_put_close(b, '}');
	}
	if (found->cut_bytes)
		json_put_form(b, "'cut':{'records':%u,'bytes':%u}", found->cut_records,
			found->cut_bytes);
}

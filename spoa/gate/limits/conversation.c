/* request.conversation: names the conversation that a request belongs to. The policy's sources
 * are tried in order: a header, the dialect's id, or a keyed hash of what stays the same as a
 * conversation grows: the caller, the system prompt and the first user message. Also the number
 * that keeps a choice of target stable. */
#include <stdio.h>

#include "base/fnv.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"

enum { HEADER_MAX = 256, HASH_SHOWN = 16 };

static void
hash_turn(struct sha256 *h, struct span s)
{
	char length[24];
	struct span n = { length, (size_t)snprintf(length, sizeof(length), "%zu:", s.n) };

	sha256_add(h, n);
	sha256_add(h, s);
}

/* Adds the system segments before the first user segment (or after it, if there are none
 * before), then that user segment. */
static void
add_beginning(struct sha256 *h, const struct body *b)
{
	size_t user = 0;
	bool before = false;

	while (user < b->nsegments && b->segments[user].role != ROLE_USER)
		before |= b->segments[user++].role == ROLE_SYSTEM;
	for (size_t i = 0; i < b->nsegments && (i < user || !before); i++)
		if (b->segments[i].role == ROLE_SYSTEM)
			hash_turn(h, b->segments[i].text);
	if (user < b->nsegments)
		hash_turn(h, b->segments[user].text);
}

/* Returns redact.key_file's key, which daemons with shared limits share; without it, this
 * daemon's own. */
static const unsigned char *
conversation_key(const struct request *r)
{
	static const unsigned char none[32];

	return r->snap->hash_key_set ? r->snap->hash_key
	       : r->gate	     ? r->gate->shared->prompt_key
				     : none;
}

static struct span
conversation_hash(struct request *r)
{
	const unsigned char *key = conversation_key(r);
	unsigned char digest[SHA256_BYTES];
	struct sha256 h;

	hmac_begin(&h, key);
	hash_turn(&h, SPAN_LIT("tollgate-conversation-v1"));
	hash_turn(&h, r->found.identity.person);
	if (r->in.have_body)
		add_beginning(&h, &r->in.body);
	hmac_end(&h, key, digest);
	SCOPED_BUF(hex, 2 * HASH_SHOWN + 1);
	buf_hex(&hex, digest, HASH_SHOWN);
	struct span s = arena_dup(&r->arena, buf_view(&hex));
	r->found.conversation_state = CONVERSATION_HASHED;
	return s;
}

void
request_conversation(struct request *r)
{
	const struct policy *p = r->snap->policy;

	r->found.conversation = (struct span){ NULL, 0 };
	r->found.conversation_state = CONVERSATION_UNREAD;
	if (!p->reads_conversation || r->in.body_state == BODY_STATE_PARTIAL)
		return;
	for (size_t i = 0; i < p->nconversation && !r->found.conversation.n; i++) {
		const struct conversation_source *c = &p->conversation[i];
		struct span v = SPAN_LIT("");
		if (c->kind == CONVERSATION_DIALECT)
			v = r->in.conversation;
		else if (c->kind != CONVERSATION_HEADER)
			v = conversation_hash(r);
		else if (http_field_one(&r->in.head, c->header, &v) <= 0 || v.n > HEADER_MAX)
			continue;
		r->found.conversation = v;
	}
	r->found.conversation = arena_dup(&r->arena, r->found.conversation);
}

/* A person has one number whatever key they use, in all daemons. An unverified caller is named
 * by their address. */
uint32_t
request_caller(const struct request *r)
{
	const struct identity *id = &r->found.identity;
	const struct span of[] = { id->person,
		id->verified ? (struct span){ NULL, 0 } : r->in.src };
	uint64_t h = FNV64_BASIS;

	if (r->snap->hash_key_set)
		memcpy(&h, r->snap->hash_key, sizeof(h));
	for (size_t k = 0; k < COUNT_OF(of); k++)
		h = fnv64_step(fnv64_bytes(h, of[k].p, of[k].n), 0xff);
	h ^= h >> 32;
	return (uint32_t)h ? (uint32_t)h : 1;
}

uint64_t
request_sticky(const struct request *r, enum choose_sticky by)
{
	const struct identity *id = &r->found.identity;
	const unsigned char *key = conversation_key(r);
	unsigned char digest[SHA256_BYTES];
	struct sha256 h;
	uint64_t n;

	if (by == STICKY_NONE)
		return 0;
	hmac_begin(&h, key);
	hash_turn(&h, SPAN_LIT("tollgate-sticky-v1"));
	hash_turn(&h, id->person);
	hash_turn(&h, id->agent);
	hash_turn(&h, span_str(r->found.route->name));
	if (by == STICKY_CONVERSATION) {
		struct span named =
			r->found.conversation.n ? r->found.conversation : r->in.conversation;
		hash_turn(&h, named);
		if (!named.n && r->in.have_body)
			add_beginning(&h, &r->in.body);
	}
	hmac_end(&h, key, digest);
	memcpy(&n, digest, sizeof(n));
	return n ? n : 1;
}

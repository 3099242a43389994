/* Statements about keys, and which key may sign which record: see keyring.h. The daemon,
 * verifiers of chains and verifiers of single proofs share this code, because they must
 * agree. */
#include "record/journal/keyring.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "base/among.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/keyfile.h"
#include "base/scoped.h"
#include "record/journal/chain.h"

#define B64_LEN(n) sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL)
/* bytes of a file of statements */
#define FILE_MAX (4u << 20)
#define BEGIN	 "tollgate-key-v1 "

static const char *const names[KEY_SAYS] = { "rotate", "root", "certify", "revoke" };

const char *
key_says_name(enum key_says says)
{
	return names[says];
}

/* ---- writing ---- */

static void
b64(char *out, size_t size, const unsigned char *p, size_t n)
{
	sodium_bin2base64(out, size, p, n, sodium_base64_VARIANT_ORIGINAL);
}

void
key_statement_make(struct key_statement *s, enum key_says says, const char *node,
	const struct pubkey *key, const struct pubkey *was, uint64_t from, int64_t wall_ns)
{
	char public[B64_LEN(SIGNKEY_PUBLIC_BYTES)], was_public[sizeof(public)];

	*s = (struct key_statement){
		.says = says, .key = *key, .from = from, .time_ns = wall_ns
	};
	snprintf(s->node, sizeof(s->node), "%s", node);
	clock_rfc3339(wall_ns, s->time);
	int n = snprintf(s->text, sizeof(s->text), BEGIN "%s node=%s key=%s", names[says],
		s->node, key->id);
	b64(public, sizeof(public), key->raw, sizeof(key->raw));
	if (says != KEY_REVOKE)
		n += snprintf(s->text + n, sizeof(s->text) - (size_t)n, " public=%s", public);
	n += snprintf(s->text + n, sizeof(s->text) - (size_t)n, " from=%" PRIu64 " time=%s",
		from, s->time);
	if (!was)
		return;
	s->was = *was;
	b64(was_public, sizeof(was_public), was->raw, sizeof(was->raw));
	snprintf(s->text + n, sizeof(s->text) - (size_t)n, " was=%s was_public=%s", was->id,
		was_public);
}

void
key_statement_sign(struct key_statement *s, const struct signkey *key)
{
	INVARIANT(s->nsigs < COUNT_OF(s->sig));
	struct key_signature *sig = &s->sig[s->nsigs++];

	memcpy(sig->id, key->pub.id, sizeof(sig->id));
	signkey_sign(key, span_str(s->text), sig->sig);
}

static void
write_signatures(struct buf *out, const struct key_statement *s, bool json)
{
	char sig[B64_LEN(SIGNKEY_SIG_BYTES)];

	for (size_t i = 0; i < s->nsigs; i++) {
		b64(sig, sizeof(sig), s->sig[i].sig, sizeof(s->sig[i].sig));
		if (json)
			json_put_str(out, s->sig[i].id, sig);
		else
			buf_printf(out, "signature %s %s\n", s->sig[i].id, sig);
	}
}

void
key_statement_write(struct buf *out, const struct key_statement *s)
{
	buf_printf(out, "%s\n", s->text);
	write_signatures(out, s, false);
	if (s->record)
		buf_printf(out, "record %" PRIu64 "\n", s->record);
}

void
key_statement_fields(struct buf *out, const struct key_statement *s)
{
	char public[B64_LEN(SIGNKEY_PUBLIC_BYTES)];

	b64(public, sizeof(public), s->key.raw, sizeof(s->key.raw));
	json_put_form(out, "'type':'key','change':%s", names[s->says]);
	if (s->says == KEY_ROTATE)
		json_put_form(out, "'from':%s,'to':%s", s->was.id, s->key.id);
	else
		json_put_str(out, "key", s->key.id);
	if (s->says != KEY_REVOKE)
		json_put_str(out, "public_key", public);
	json_put_form(out, "'statement':%s,'signatures':{", s->text);
	write_signatures(out, s, true);
	json_put_close(out, '}');
}

/* ---- reading ---- */

/* Reads " NAME=VALUE" at the beginning of *rest and moves past it. Returns VALUE, which ends at
 * a space, or n 0 if another member or nothing follows. */
static struct span
key_line_member(struct span *rest, const char *name)
{
	size_t n = strlen(name);

	if (rest->n < n + 2 || rest->p[0] != ' ' || memcmp(rest->p + 1, name, n) != 0 ||
		rest->p[n + 1] != '=')
		return (struct span){ NULL, 0 };
	struct span v = span_cut(*rest, n + 2, rest->n);
	v = span_cut(v, 0, span_chr(v, ' '));
	*rest = span_cut(*rest, n + 2 + v.n, rest->n);
	return v;
}

/* Decodes base64 of exactly n bytes. */
static bool
bytes_of(struct span text, unsigned char *out, size_t n)
{
	size_t got = 0;

	return base64_get(text, out, n, &got) == 0 && got == n;
}

static bool
id_of(struct span text, char out[SIGNKEY_ID_LEN + 1])
{
	if (text.n != SIGNKEY_ID_LEN || !span_all(text, is_hex) || span_some(text, is_upper))
		return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

/* Reads a public key and checks that `id` is the id of its bytes. */
static bool
public_key_of(struct span id, struct span public, struct pubkey *out)
{
	char named[SIGNKEY_ID_LEN + 1];

	if (!id_of(id, named) || !bytes_of(public, out->raw, sizeof(out->raw)))
		return false;
	pubkey_name(out);
	return strcmp(named, out->id) == 0;
}

/* Parses the line of a statement, without signatures: "tollgate-key-v1 VERB MEMBER=VALUE…". */
static int
parse(struct span line, struct key_statement *s)
{
	const struct span begin = SPAN_LIT(BEGIN);
	struct span rest = line;

	*s = (struct key_statement){ .says = KEY_SAYS };
	if (line.n > KEY_STATEMENT_MAX || !span_starts(line, begin))
		return ERR_SYNTAX;
	memcpy(s->text, line.p, line.n);
	rest = span_cut(line, begin.n, line.n);
	struct span verb = span_cut(rest, 0, span_chr(rest, ' '));
	rest = span_cut(rest, verb.n, rest.n);
	for (int i = 0; i < KEY_SAYS; i++)
		if (span_is(verb, names[i]))
			s->says = (enum key_says)i;
	if (s->says == KEY_SAYS)
		return ERR_SYNTAX;
	struct span node = key_line_member(&rest, "node"), id = key_line_member(&rest, "key");
	bool good = chain_node_valid(node);
	if (good)
		memcpy(s->node, node.p, node.n);
	if (s->says == KEY_REVOKE)
		good = good && id_of(id, s->key.id);
	else
		good = good && public_key_of(id, key_line_member(&rest, "public"), &s->key);
	good = good && span_u64(key_line_member(&rest, "from"), &s->from) == 0 && s->from > 0 &&
	       s->from < INT64_MAX;
	struct span time = good ? key_line_member(&rest, "time") : (struct span){ NULL, 0 };
	good = good && time.n < sizeof(s->time) &&
	       clock_parse(time.p, time.n, &s->time_ns) == 0;
	if (good)
		memcpy(s->time, time.p, time.n);
	if (good && s->says == KEY_ROTATE) {
		id = key_line_member(&rest, "was");
		good = public_key_of(id, key_line_member(&rest, "was_public"), &s->was);
	}
	/* The line is stored unescaped in a JSON string, so it must not contain characters
	 * that need an escape. */
	for (size_t i = 0; i < line.n && good; i++)
		good = line.p[i] >= ' ' && line.p[i] < 127 && line.p[i] != '"' &&
		       line.p[i] != '\\';
	return good && rest.n == 0 ? 0 : ERR_SYNTAX;
}

static int
add_signature(struct key_statement *s, struct span id, struct span sig)
{
	struct key_signature *to = &s->sig[s->nsigs];

	if (s->nsigs == 2 || !id_of(id, to->id) || !bytes_of(sig, to->sig, sizeof(to->sig)))
		return ERR_SYNTAX;
	s->nsigs++;
	return 0;
}

int
key_statement_next(struct span *rest, struct key_statement *out)
{
	const struct span signature = SPAN_LIT("signature "), record = SPAN_LIT("record ");
	bool any = false;
	int err = 0;

	while (rest->n && !err) {
		struct span before = *rest, line = span_trim(span_next(rest, '\n'), " \t\r");
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (span_starts(line, SPAN_LIT(BEGIN))) {
			if (any) {
				*rest = before;
				break;
			}
			any = true;
			err = parse(line, out);
		} else if (any && span_starts(line, signature)) {
			line = span_cut(line, signature.n, line.n);
			size_t at = span_chr(line, ' ');
			err = at < line.n ? add_signature(out, span_cut(line, 0, at),
						    span_cut(line, at + 1, line.n))
					  : ERR_SYNTAX;
		} else if (any && span_starts(line, record)) {
			err = span_u64(span_cut(line, record.n, line.n), &out->record) ||
					      out->record == 0 || out->record >= INT64_MAX
				      ? ERR_SYNTAX
				      : 0;
		} else {
			err = ERR_SYNTAX;
		}
	}
	return err ? err : any;
}

/* Returns the characters between the quotes of a JSON string that has no escapes, or n 0 if
 * `json` is not a string. */
static struct span
plain_string(struct span json)
{
	return json.n >= 2 && json.p[0] == '"' && json.p[json.n - 1] == '"'
		       ? span_cut(json, 1, json.n - 1)
		       : (struct span){ NULL, 0 };
}

int
key_statement_of(struct span line, struct key_statement *out)
{
	struct chain_line l;
	int err = chain_parse(line, &l) || l.commit
			  ? ERR_SYNTAX
			  : parse(plain_string(chain_member(line, "statement")), out);
	struct span sigs = chain_member(line, "signatures");

	if (err || sigs.n < 2 || sigs.p[0] != '{' || sigs.p[sigs.n - 1] != '}' ||
		!span_is(l.node, out->node))
		return ERR_SYNTAX;
	out->record = l.seq;
	sigs = span_cut(sigs, 1, sigs.n - 1);
	while (sigs.n && !err) {
		struct span one = span_next(&sigs, ',');
		size_t at = span_chr(one, ':');
		err = at < one.n ? add_signature(out, plain_string(span_cut(one, 0, at)),
					   plain_string(span_cut(one, at + 1, one.n)))
				 : ERR_SYNTAX;
	}
	return err;
}

bool
key_statement_signed(const struct key_statement *s, const struct pubkey *key)
{
	for (size_t i = 0; i < s->nsigs; i++)
		if (strcmp(s->sig[i].id, key->id) == 0)
			return pubkey_verify(key, span_str(s->text), s->sig[i].sig);
	return false;
}

/* ---- the ring ---- */

/* Returns the index of the key, or CAP_KEYRING if the ring does not have it. */
static size_t
find_public_key(const struct keyring *k, const struct pubkey *key)
{
	size_t i = 0;

	while (i < k->nkeys && memcmp(k->key[i].raw, key->raw, sizeof(key->raw)) != 0)
		i++;
	return i < k->nkeys ? i : CAP_KEYRING;
}

/* Adds the key if it is new, and the event that it may (or may not) sign from record `from`
 * on. Returns 0, ERR_DUPLICATE or ERR_LIMIT. */
static int
add_event(struct keyring *k, const struct pubkey *key, const char *node, uint64_t from, bool on)
{
	size_t at = find_public_key(k, key);

	if (at == CAP_KEYRING) {
		if (k->nkeys == CAP_KEYRING)
			return ERR_LIMIT;
		k->key[at = k->nkeys++] = *key;
	}
	for (size_t i = 0; i < k->nevents; i++)
		if (k->event[i].key == at && k->event[i].from == from && k->event[i].on == on &&
			!strcmp(k->event[i].node, node))
			return ERR_DUPLICATE;
	if (k->nevents == COUNT_OF(k->event))
		return ERR_LIMIT;
	INVARIANT(at < k->nkeys && k->nkeys <= CAP_KEYRING);
	struct keyring_event *e = &k->event[k->nevents++];
	*e = (struct keyring_event){ .from = from, .key = (unsigned short)at, .on = on };
	snprintf(e->node, sizeof(e->node), "%s", node);
	return 0;
}

int
keyring_give(struct keyring *k, const struct pubkey *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (add_event(k, &keys[i], "", 0, true) == ERR_LIMIT)
			return ERR_LIMIT;
	return 0;
}

int
keyring_give_root(struct keyring *k, const struct pubkey *root)
{
	for (size_t i = 0; i < k->nroots; i++)
		if (!memcmp(k->root[i].raw, root->raw, sizeof(root->raw)))
			return ERR_DUPLICATE;
	if (k->nroots == CAP_KEYRING_ROOTS)
		return ERR_LIMIT;
	k->root[k->nroots++] = *root;
	return 0;
}

uint64_t
keyring_revoked(const struct keyring *k, const char *id, const char *node)
{
	uint64_t from = 0;

	for (size_t i = 0; i < k->nrevoked; i++)
		if (!strcmp(k->revoked[i].id, id) && !strcmp(k->revoked[i].node, node) &&
			(!from || k->revoked[i].from < from))
			from = k->revoked[i].from;
	return from;
}

bool
keyring_revoked_elsewhere(const struct keyring *k, const char *id, const char *node)
{
	bool elsewhere = false;

	for (size_t i = 0; i < k->nrevoked; i++)
		elsewhere |= !strcmp(k->revoked[i].id, id);
	return elsewhere && !keyring_revoked(k, id, node);
}

/* Returns the last event of the key that applies to record `seq` of node's chain, or NULL. */
static const struct keyring_event *
said_last(const struct keyring *k, size_t key, const char *node, uint64_t seq)
{
	const struct keyring_event *last = NULL;

	for (size_t i = 0; i < k->nevents; i++) {
		const struct keyring_event *e = &k->event[i];
		if (e->key == key && e->from <= seq &&
			(!e->node[0] || !strcmp(e->node, node)) &&
			(!last || e->from >= last->from))
			last = e;
	}
	return last;
}

static bool
may_sign(const struct keyring *k, const struct pubkey *key, const char *node, uint64_t seq)
{
	size_t at = find_public_key(k, key);
	const struct keyring_event *e = at < CAP_KEYRING ? said_last(k, at, node, seq) : NULL;
	uint64_t revoked = keyring_revoked(k, key->id, node);

	return e && e->on && (!revoked || revoked > seq);
}

const struct pubkey *
keyring_signer(const struct keyring *k, const char *node, struct span id, uint64_t first,
	uint64_t seq, char why[KEYRING_WHY])
{
	size_t at = 0;

	while (at < k->nkeys && !span_is(id, k->key[at].id))
		at++;
	if (at == k->nkeys) {
		snprintf(why, KEYRING_WHY, "%.*s", SPAN_ARG(id));
		return NULL;
	}
	const struct pubkey *key = &k->key[at];
	uint64_t revoked = keyring_revoked(k, key->id, node);
	const struct keyring_event *e = said_last(k, at, node, first);
	const struct keyring_event *end = said_last(k, at, node, seq);
	if (revoked && revoked <= seq)
		snprintf(why, KEYRING_WHY, "%s, which is revoked from record %" PRIu64 " on",
			key->id, revoked);
	else if (e && e->on && end == e)
		return key;
	else if (end && !end->on)
		snprintf(why, KEYRING_WHY, "%s, which was replaced by record %" PRIu64, key->id,
			end->from - 1);
	else
		snprintf(why, KEYRING_WHY, "%s, which may sign only from record %" PRIu64 " on",
			key->id, end ? end->from : 0);
	return NULL;
}

size_t
keyring_signers(
	const struct keyring *k, const char *node, uint64_t seq, struct pubkey *out, size_t max)
{
	char why[KEYRING_WHY];
	size_t n = 0;

	for (size_t i = 0; i < k->nkeys && n < max; i++)
		if (keyring_signer(k, node, span_str(k->key[i].id), seq, seq, why))
			out[n++] = k->key[i];
	return n;
}

/* ---- taking statements ---- */

static enum keyring_verdict
verdict_of(int err)
{
	return err == ERR_LIMIT ? KEYRING_FULL : err ? KEYRING_NO_NEWS : KEYRING_TAKEN;
}

/* A rotation must be signed by both keys, one of which the ring must trust for that record. */
static enum keyring_verdict
take_rotation(struct keyring *k, const struct key_statement *s)
{
	bool forward = may_sign(k, &s->was, s->node, s->from);
	bool backward = !forward && find_public_key(k, &s->was) == CAP_KEYRING &&
			may_sign(k, &s->key, s->node, s->from + 1);

	if ((s->record && s->record != s->from) || !key_statement_signed(s, &s->was) ||
		!key_statement_signed(s, &s->key))
		return KEYRING_FALSE;
	if (!forward && !backward)
		return KEYRING_STRANGER;
	/* A verifier who trusts only the new key learns the previous one here, for older
	 * records. */
	if (backward && add_event(k, &s->was, s->node, 0, true) == ERR_LIMIT)
		return KEYRING_FULL;
	int off = add_event(k, &s->was, s->node, s->from + 1, false);
	int on = add_event(k, &s->key, s->node, s->from + 1, true);
	return off == ERR_LIMIT || on == ERR_LIMIT ? KEYRING_FULL
						   : verdict_of(off && on ? off : 0);
}

/* A statement that names the root must be signed by a key that may sign that record. */
static enum keyring_verdict
take_root(struct keyring *k, const struct key_statement *s)
{
	for (size_t i = 0; i < k->nkeys; i++) {
		if (s->nsigs != 1 || strcmp(s->sig[0].id, k->key[i].id) != 0 ||
			!may_sign(k, &k->key[i], s->node, s->from))
			continue;
		if ((s->record && s->record != s->from) || !key_statement_signed(s, &k->key[i]))
			return KEYRING_FALSE;
		return k->given_root ? KEYRING_NO_NEWS
				     : verdict_of(keyring_give_root(k, &s->key));
	}
	return KEYRING_STRANGER;
}

/* Adds the revocation. It is in force from the record that it names, or from the record that
 * contains it, if that is later. */
static enum keyring_verdict
take_revocation(struct keyring *k, const struct key_statement *s)
{
	uint64_t from = s->from > s->record ? s->from : s->record;

	for (size_t i = 0; i < k->nrevoked; i++)
		if (!strcmp(k->revoked[i].id, s->key.id) && k->revoked[i].from == from &&
			!strcmp(k->revoked[i].node, s->node))
			return KEYRING_NO_NEWS;
	if (k->nrevoked == COUNT_OF(k->revoked))
		return KEYRING_FULL;
	struct keyring_revoked *r = &k->revoked[k->nrevoked++];
	r->from = from;
	memcpy(r->id, s->key.id, sizeof(r->id));
	memcpy(r->node, s->node, sizeof(r->node));
	return KEYRING_TAKEN;
}

/* Takes a statement that only a root may sign: certify or revoke. */
static enum keyring_verdict
take_of_root(struct keyring *k, const struct key_statement *s)
{
	for (size_t i = 0; i < k->nroots; i++) {
		if (s->nsigs != 1 || strcmp(s->sig[0].id, k->root[i].id) != 0)
			continue;
		if (!key_statement_signed(s, &k->root[i]))
			return KEYRING_FALSE;
		return s->says == KEY_REVOKE
			       ? take_revocation(k, s)
			       : verdict_of(add_event(k, &s->key, s->node, s->from, true));
	}
	return KEYRING_STRANGER;
}

enum keyring_verdict
keyring_take(struct keyring *k, const struct key_statement *s)
{
	if (s->says == KEY_ROTATE)
		return take_rotation(k, s);
	return s->says == KEY_ROOT ? take_root(k, s) : take_of_root(k, s);
}

int
keyring_file(struct keyring *k, const char *file, bool maybe, struct buf *why)
{
	struct key_statement s;
	bool news = true;
	size_t all = 0;
	int err = 0;

	SCOPED_BUF(text, FILE_MAX);
	if (maybe && access(file, F_OK) < 0 && errno == ENOENT)
		news = false;
	else
		err = keyfile_text(file, NULL, &text, why);
	/* A statement can be trusted because of one that comes later in the file, so repeat
	 * while any was taken. */
	while (!err && news) {
		struct span rest = buf_view(&text);
		int got;
		news = false;
		all = 0;
		while ((got = key_statement_next(&rest, &s)) > 0) {
			all++;
			enum keyring_verdict v = keyring_take(k, &s);
			news = news || v == KEYRING_TAKEN;
			if (v == KEYRING_FALSE || v == KEYRING_FULL) {
				buf_printf(why, "%s: statement %zu (%s of key %s): %s", file,
					all, names[s.says], s.key.id,
					v == KEYRING_FULL ? "the limit of keys is reached"
							  : "its signature does not verify");
				err = v == KEYRING_FULL ? ERR_LIMIT : ERR_AUTH;
				break;
			}
		}
		if (got < 0 && !err) {
			buf_printf(why, "%s: statement %zu cannot be read", file, all + 1);
			err = got;
		}
	}
	return err;
}

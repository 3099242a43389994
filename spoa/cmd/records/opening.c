/* Opens sealed texts for commands. Seals and shares are cached in two tables of fixed size:
 * a new entry replaces the one in its place, so that no table grows. */
#include "cmd/records/opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec/base64.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "cmd/daemon/admin.h"
#include "policy/config/config.h"
#include "record/journal/chain.h"

enum { PLACES = 1024, PASSPHRASE_MAX = 1024 };

const char *const opening_words[] = {
#define X(id, word) word,
	OPENING_TABLE(X)
#undef X
};

/* Where records describe a kept text: decisions the prompt, completions the response, both
 * the tool calls. */
static const struct {
	const char *in,
		*name; /* `in`: the object that has the member; NULL: the record itself */
} kept_at[] = { [SEAL_PROMPT] = { "prompt", "kept" },
	[SEAL_RESPONSE] = { "answer", "kept" },
	[SEAL_TOOLS] = { NULL, "tools_kept" } };

/* A cached seal. `s0` is its secret, valid if `opened`. */
struct seal_place {
	char node[CHAIN_NODE_MAX + 1], id[SEAL_ID_LEN + 1];
	json_t *record; /* NULL: no seal record is here */
	bool opened;
	unsigned char s0[SHARE_BYTES];
	/* The state after the last opened text. The next text is usually a few steps
	 * further. */
	unsigned char state[SHARE_BYTES];
	uint64_t step;
};

/* A cached share, or the reason why there is none (`is`). */
struct share_place {
	char node[CHAIN_NODE_MAX + 1];
	struct share b; /* number 0: no share is here */
	enum opening_is is;
};

/* See opening.h. Owns the private key, the shares and both caches, and erases them at the
 * end. */
struct opening {
	const struct query *q;
	const struct opening_args *args;
	char key_id[AUDITOR_ID_LEN + 1];
	unsigned char key[HPKE_KEY_BYTES];
	const char *journal; /* the journal next to which the texts are */
	const char *node;    /* the daemon's node; NULL: any node, by args->shares */
	const char *other_node; /* the node's other instance, whose shares the daemon has too */
	const char *socket;
	struct shares
		*shares; /* the file args->shares, loaded for the first text that needs it */
	char shares_node[CHAIN_NODE_MAX + 1];
	struct seal_place seals[PLACES];
	struct share_place given[PLACES];
	struct arena arena;
};

/* ---- the places ---- */

static int
read_auditor_key(struct opening *o, struct buf *why)
{
	const char *file = o->args->passphrase_file;

	SCOPED_BUF(passphrase, PASSPHRASE_MAX);
	int err = file ? keyfile_passphrase(file, &passphrase, why) : 0;
	buf_putc(&passphrase, '\0');
	return err ? err
		   : auditor_private(o->args->key, file ? buf_view(&passphrase).p : NULL,
			     o->key, o->key_id, why);
}

/* Finds the texts, and the daemon or file that provides shares. Returns 0, or an exit code
 * after a message. */
static int
find_places(struct opening *o)
{
	const struct query *q = o->q;
	bool daemon = !o->args->shares;
	const struct config *cfg =
		daemon || !q->journal ? cmd_config(&o->arena, q->config) : NULL;

	if (daemon && cfg && cfg->seal_require_reason && !o->args->reason)
		return cmd_fail(q->what,
			"--reason is missing: seal.require_reason of tollgate.yaml demands "
			"one, for the record");
	o->journal = q->journal ? q->journal : cfg ? cfg->journal : NULL;
	if (!daemon && access(o->args->shares, R_OK) != 0)
		return cmd_fail(q->what, "%s: %m", o->args->shares);
	if (daemon && !(o->socket = admin_socket(q->what, q->config, &o->arena)))
		return EXIT_CANNOT;
	o->node = daemon && cfg ? cfg->node : NULL;
	o->other_node = cfg ? config_part(cfg, CONFIG_OTHER)->node : NULL;
	return o->journal ? 0
			  : cmd_fail(q->what, "sealed texts are next to a journal: give "
					      "--journal DIR, or configure audit.journal");
}

struct opening *
opening_begin(const struct query *q, const struct opening_args *args)
{
	struct opening *o = calloc(1, sizeof(*o));

	SCOPED_BUF(why, 4096);
	if (!o) {
		cmd_fail(q->what, "%s", err_str(ERR_NOMEM));
		return NULL;
	}
	o->q = q;
	o->args = args;
	arena_init(&o->arena, 0, false);
	int err = args->key ? read_auditor_key(o, &why) : args->sealed ? 0 : ERR_SYNTAX;
	if (err && !args->key)
		buf_str(&why, "give the auditor's private key with --key FILE");
	if (cmd_failed(q->what, err, &why) || find_places(o))
		opening_end(&o);
	return o;
}

void
opening_end(struct opening **op)
{
	struct opening *o = *op;

	if (!o)
		return;
	for (size_t i = 0; i < PLACES; i++)
		json_decref(o->seals[i].record);
	if (o->shares)
		shares_close(&o->shares);
	arena_reset(&o->arena);
	explicit_bzero(o, sizeof(*o));
	free(o);
	*op = NULL;
}

const json_t *
opening_kept(const json_t *record, enum seal_kind kind)
{
	const json_t *in =
		kept_at[kind].in ? json_object_get(record, kept_at[kind].in) : record;
	const json_t *kept = json_object_get(in, kept_at[kind].name);

	return json_is_object(kept) ? kept : NULL;
}

/* ---- share A ---- */

static struct seal_place *
seal_place_of(struct opening *o, struct span id)
{
	return &o->seals[span_hash(id) % PLACES];
}

void
opening_saw(struct opening *o, const json_t *record)
{
	struct span id = json_span(json_object_get(record, "seal")),
		    node = record_span(record, RF_NODE);
	struct seal_place *p = seal_place_of(o, id);

	if (!record_is(record, RF_TYPE, "seal") || id.n != SEAL_ID_LEN ||
		!chain_node_valid(node))
		return;
	json_decref(p->record);
	explicit_bzero(p, sizeof(*p));
	memcpy(p->id, id.p, id.n);
	memcpy(p->node, node.p, node.n);
	p->record = json_deep_copy(record);
}

/* The search for the record of a seal in the journal. */
struct seal_search {
	struct opening *o;
	struct span id;
	const char *node;
	bool found;
};

static void
seal_line(void *arg, struct span line)
{
	struct seal_search *s = arg;

	/* Most lines are rejected without parsing. */
	if (s->found || !memmem(line.p, line.n, s->id.p, s->id.n) ||
		!span_is(chain_member(line, "type"), "\"seal\""))
		return;
	json_auto_t *record = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	s->found = span_eq(json_span(json_object_get(record, "seal")), s->id) &&
		   record_is(record, RF_NODE, s->node);
	if (s->found)
		opening_saw(s->o, record);
}

/* Finds the record of a seal. Returns NULL with *why if it is not among these records. */
static struct seal_place *
find_seal(struct opening *o, struct span id, const char *node, struct buf *why)
{
	struct seal_place *p = seal_place_of(o, id);
	struct seal_search s = { .o = o, .id = id, .node = node };
	const uint64_t term = record_term_hash(RT_SEAL, id);

	if (!p->record || !span_is(id, p->id) || strcmp(p->node, node) != 0) {
		struct query q = { .what = o->q->what,
			.journal = o->q->journal,
			.beside = o->q->beside,
			.nbeside = o->q->nbeside,
			.redis = o->q->redis,
			.file = o->q->file,
			.config = o->q->config,
			.restored = o->q->restored,
			.term = &term,
			.nterms = o->q->no_index ? 0 : 1,
			.no_index = o->q->no_index,
			.node = node,
			.enough = &s.found,
			.arg = &s,
			.line = seal_line };
		if (!q.file || strcmp(q.file, "-") != 0)
			query_read(&q, why);
		if (!s.found && !why->n)
			buf_printf(why, "seal %.*s: its record is not among these records", SPAN_ARG(id));
		if (!s.found)
			return NULL;
	}
	return p;
}

/* Returns the opened seal, or NULL with *is and *why. */
static struct seal_place *
seal_of(struct opening *o, struct span id, const char *node, enum opening_is *is,
	struct buf *why)
{
	struct seal_place *p = find_seal(o, id, node, why);

	*is = OPENING_NO_SEAL;
	if (!p)
		return NULL;
	if (!p->opened) {
		int err = seal_open_share(p->record, node, o->key, o->key_id, p->s0, why);
		if (err && !why->n)
			buf_printf(why, "seal %.*s: %s", SPAN_ARG(id), err_str(err));
		*is = err == ERR_NOTFOUND ? OPENING_NOT_SEALED : OPENING_DAMAGED;
		p->opened = !err;
		memcpy(p->state, p->s0, sizeof(p->state));
		p->step = 0;
	}
	return p->opened ? p : NULL;
}

/* Returns the state of the seal's chain at a step. */
static const unsigned char *
seal_state(struct seal_place *p, uint64_t step)
{
	if (step < p->step) {
		memcpy(p->state, p->s0, sizeof(p->state));
		p->step = 0;
	}
	seal_ratchet(p->state, step - p->step);
	p->step = step;
	return p->state;
}

/* Returns the journal beside which the texts of that node's records are. */
static const char *
texts_journal(const struct opening *o, const char *node)
{
	const struct config *of = query_beside(o->q, node);

	return of ? of->journal : o->journal;
}

/* ---- share B ---- */

/* Opens the file to read only, because it may belong to a running daemon. */
static struct shares *
open_shares(const char *file, const char *node, struct buf *why)
{
	uint64_t lost;

	SCOPED_BUF(lost_why, 4096);
	return shares_open(file, NULL, node, &lost, &lost_why, why);
}

static enum opening_is
share_in_file(struct opening *o, uint64_t number, const char *node, struct share *out,
	struct buf *why)
{
	static const enum opening_is is[] = { [SHARE_HERE] = OPENING_OPENED,
		[SHARE_ERASED] = OPENING_ERASED,
		[SHARE_LOST] = OPENING_LOST,
		[SHARE_NEVER] = OPENING_NEVER };

	if (!o->shares) {
		o->shares = open_shares(o->args->shares, node, why);
		snprintf(o->shares_node, sizeof(o->shares_node), "%s", node);
	}
	if (!o->shares)
		return OPENING_NOT_GIVEN;
	if (strcmp(o->shares_node, node) != 0) {
		buf_printf(why, "%s: belongs to node %s, but the record to %s", o->args->shares,
			o->shares_node, node);
		return OPENING_NOT_GIVEN;
	}
	return is[shares_find(o->shares, number, out, NULL)];
}

/* Maps the daemon's response without a share to a result. */
static enum opening_is
share_refused(long status, const char *error, struct buf *why)
{
	if (status == 410)
		return OPENING_ERASED;
	if (status == 404 && str_same(error, "lost"))
		return OPENING_LOST;
	if (status == 404 && str_same(error, "never"))
		return OPENING_NEVER;
	if (status)
		buf_printf(why, "the daemon refused the key share: %.200s",
			error ? error : "its response is not understood");
	return OPENING_NOT_GIVEN;
}

static enum opening_is
share_of_daemon(struct opening *o, const json_t *record, enum seal_kind kind, uint64_t number,
	struct share *out, struct buf *why)
{
	size_t n = 0;

	const char *node = record_text(record, RF_NODE);
	const struct config *of = query_beside(o->q, node);
	const bool other = of || (o->other_node && !strcmp(node, o->other_node));
	const char *socket = of && of->has_admin && of->admin.path ? of->admin.path : o->socket;

	if (o->node && !other && strcmp(node, o->node) != 0) {
		buf_printf(why, "the daemon is node %s, but the record is from %s: ask "
				"that node, or give its file of shares with --shares", o->node,
			node);
		return OPENING_NOT_GIVEN;
	}
	json_auto_t *in = json_pack("{ss ss sI ss* ss* ss*}", "id", record_text(record, RF_ID),
		"part", seal_kinds[kind], "share", (json_int_t)number, "reason",
		o->args->reason, "by", o->args->by, "node", node);
	json_auto_t *said = NULL;
	long status = in ? admin_ask_json(socket, "/audit/share", in, &said, why) : 0;
	struct span share = json_span(json_object_get(said, "share"));

	out->number = number;
	if (status == 200 && (uint64_t)json_int_in(said, "number") == number &&
		base64_get(share, out->key, sizeof(out->key), &n) == 0 &&
		n == sizeof(out->key)) {
		explicit_bzero((char *)(uintptr_t)share.p, share.n);
		return OPENING_OPENED;
	}
	return share_refused(status, json_str_in(said, "error"), why);
}

static enum opening_is
share_of(struct opening *o, const json_t *record, enum seal_kind kind, uint64_t number,
	struct share *out, struct buf *why)
{
	const char *node = record_text(record, RF_NODE);
	struct share_place *p = &o->given[number % PLACES];

	if (p->b.number != number || strcmp(p->node, node) != 0) {
		enum opening_is is =
			o->args->shares ? share_in_file(o, number, node, &p->b, why)
					: share_of_daemon(o, record, kind, number, &p->b, why);
		p->is = is;
		p->b.number = is == OPENING_NOT_GIVEN ? 0 : number;
		snprintf(p->node, sizeof(p->node), "%s", node);
		if (is == OPENING_NOT_GIVEN)
			return is;
	}
	*out = p->b;
	return p->is;
}

/* ---- opening a text ---- */

static enum opening_is
open_kept(struct opening *o, const json_t *record, enum seal_kind kind, struct buf *out,
	struct buf *why)
{
	const json_t *kept = opening_kept(record, kind);
	const char *node = record_text(record, RF_NODE);
	struct span id = json_span(json_object_get(kept, "seal"));
	json_int_t number = json_int_in(kept, "share"), step = json_int_in(kept, "step");
	unsigned char k[SHA256_BYTES];
	struct share b = { .number = 0 };
	enum opening_is is;
	size_t had = out->n;

	if (!kept)
		return OPENING_NOT_KEPT;
	if (number <= 0 || step < 0 || step >= CAP_SEAL_STEPS ||
		!chain_node_valid(span_str(node))) {
		buf_str(why, "the record lacks the data to open it");
		return OPENING_DAMAGED;
	}
	struct seal_place *seal = seal_of(o, id, node, &is, why);
	if (!seal)
		return is;
	is = share_of(o, record, kind, (uint64_t)number, &b, why);
	if (is != OPENING_OPENED)
		return is;
	seal_text_key(seal_state(seal, (uint64_t)step), 0, &b, node, record_span(record, RF_ID),
		kind, k);
	int err = seal_open_text(kept, texts_journal(o, node), node, k, out, why);
	explicit_bzero(k, sizeof(k));
	explicit_bzero(&b, sizeof(b));
	if (!err && !buf_failed(out))
		return OPENING_OPENED;
	if (!why->n)
		buf_str(why, err ? err_str(err) : "larger than this program can hold");
	if (!buf_failed(out) && out->n > had) {
		explicit_bzero(out->p + out->start + had, out->n - had);
		out->n = had;
	}
	return err == ERR_NOTFOUND ? OPENING_TRIMMED : OPENING_DAMAGED;
}

enum opening_is
opening_text(struct opening *o, const json_t *record, enum seal_kind kind, struct buf *out,
	struct buf *why)
{
	enum opening_is is = open_kept(o, record, kind, out, why);

	if (is == OPENING_ERASED && !why->n)
		buf_str(why, "erased: the key share of the person was erased, so nobody "
			     "can open the text");
	else if (is == OPENING_LOST && !why->n)
		buf_str(why, "lost: the file of shares no longer has the share that the "
			     "text needs");
	else if (is == OPENING_NEVER && !why->n)
		buf_str(why, "this node never made the share that the text needs");
	else if (is == OPENING_NOT_KEPT)
		buf_str(why, "no such text was kept");
	return is;
}

/* ---- data for another program that opens the text ---- */

/* Adds the ciphertexts, in base64. */
static enum opening_is
put_ciphertexts(struct opening *o, const json_t *record, const json_t *kept, json_t *to,
	struct buf *why)
{
	json_t *list = json_array(), *at;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(kept, "at"), i, at)
	{
		unsigned part;
		bool last;
		SCOPED_BUF(frame, 0);
		SCOPED_BUF(text, 0);
		err = err ? err
			  : texts_read(texts_journal(o, record_text(record, RF_NODE)),
				    record_text(record, RF_NODE),
				    (uint64_t)json_integer_value(at), &part, &last, &frame,
				    why);
		base64_put(&text, buf_view(&frame).p, frame.n);
		json_array_append_new(list, json_stringn(buf_view(&text).p, text.n));
	}
	json_object_set_new(to, "parts", list);
	return err == ERR_NOTFOUND ? OPENING_TRIMMED : err ? OPENING_DAMAGED : OPENING_OPENED;
}

json_t *
opening_sealed(struct opening *o, const json_t *record, enum seal_kind kind)
{
	const json_t *kept = opening_kept(record, kind);
	const char *node = record_text(record, RF_NODE);
	struct share b = { .number = 0 };
	json_t *out = kept ? json_pack("{ss sO sO}", "part", seal_kinds[kind], "type",
				     record_get(record, RF_TYPE), "kept", kept)
			   : NULL;

	if (!out)
		return NULL;
	SCOPED_BUF(why, 4096);
	const struct seal_place *p =
		chain_node_valid(span_str(node))
			? find_seal(o, json_span(json_object_get(kept, "seal")), node, &why)
			: NULL;
	enum opening_is is = p ? put_ciphertexts(o, record, kept, out, &why) : OPENING_NO_SEAL;
	if (is == OPENING_OPENED)
		is = share_of(o, record, kind, (uint64_t)json_int_in(kept, "share"), &b, &why);
	if (is == OPENING_OPENED) {
		SCOPED_BUF(text, 0);
		base64_put(&text, b.key, sizeof(b.key));
		json_object_set_new(out, "share", json_stringn(buf_view(&text).p, text.n));
		json_object_set(out, "seal", p->record);
	} else {
		bool worded =
			is == OPENING_ERASED || is == OPENING_LOST || is == OPENING_TRIMMED;
		json_object_del(out, "parts");
		json_object_set_new(out, "why",
			worded || !why.n ? json_string(opening_words[is])
					 : json_stringn(buf_view(&why).p, why.n));
	}
	explicit_bzero(&b, sizeof(b));
	return out;
}

/* ---- pseudonyms ---- */

/* Reads which node the journal belongs to. */
static bool
journal_is_of(const char *journal, char node[CHAIN_NODE_MAX + 1], struct buf *why)
{
	struct journal_list list;

	node[0] = '\0';
	if (journal_list_all(journal, NULL, true, &list, why))
		return false;
	for (size_t i = 0; i < list.n && !node[0]; i++)
		if (list.seg[i].ours)
			snprintf(node, CHAIN_NODE_MAX + 1, "%s", list.seg[i].node);
	journal_list_free(&list);
	return node[0] || (buf_str(why, "the folder has no segment of a journal"), false);
}

static bool
pseudonym_in_file(const struct query *q, const char *file, const char *person,
	char out[PSEUDONYM_LEN + 1], struct buf *why)
{
	char node[CHAIN_NODE_MAX + 1];
	struct share b;

	if (access(file, R_OK) != 0) {
		buf_printf(why, "%s: %m", file);
		return false;
	}
	if (!q->journal) {
		buf_str(why, "the journal names the node of the shares: give --journal DIR");
		return false;
	}
	struct shares *s =
		journal_is_of(q->journal, node, why) ? open_shares(file, node, why) : NULL;
	bool found = s && shares_get(s, span_str(person), false, &b) == 0;
	if (found)
		share_pseudonym(&b, out);
	explicit_bzero(&b, sizeof(b));
	if (s)
		shares_close(&s);
	return found;
}

static bool
pseudonym_of_daemon(
	const struct query *q, const char *person, char out[PSEUDONYM_LEN + 1], struct buf *why)
{
	SCOPED_ARENA(a, 0, false);
	const struct config *cfg = cmd_config(&a, q->config);
	const char *socket = cfg && cfg->has_admin ? cfg->admin.path : NULL;
	json_auto_t *in = json_pack("{ss}", "person", person), *said = NULL;
	long status =
		socket && in ? admin_ask_json(socket, "/audit/pseudonym", in, &said, why) : 0;
	const char *word = json_text_in(said, "pseudonym");
	bool found = status == 200 && strlen(word) == PSEUDONYM_LEN;

	if (found)
		memcpy(out, word, PSEUDONYM_LEN + 1);
	else if (status && status != 200 && status != 404)
		buf_printf(why, "%.200s", json_text_in(said, "error"));
	else if (!socket)
		buf_str(why, "no configuration names the daemon: give -c FILE or --shares FILE");
	return found;
}

bool
opening_pseudonym(const struct query *q, const char *shares, const char *person,
	char out[PSEUDONYM_LEN + 1], bool *unknown)
{
	char head[JOURNAL_DIR_MAX + 32];

	out[0] = '\0';
	if (q->journal) {
		/* the file JOURNAL.texts.head is next to the journal */
		struct span dir = span_cut(journal_folder(q->journal), 0, JOURNAL_DIR_MAX);

		snprintf(
			head, JOURNAL_DIR_MAX + 32, "%.*s" TEXTS_SUFFIX ".head", SPAN_ARG(dir));
	}
	if (!shares && (!q->journal || access(head, F_OK) != 0))
		return false; /* no share was ever made */
	SCOPED_BUF(why, 4096);
	bool found = shares ? pseudonym_in_file(q, shares, person, out, &why)
			    : pseudonym_of_daemon(q, person, out, &why);
	if (unknown)
		*unknown = why.n > 0;
	if (why.n)
		cmd_fail(q->what, "records with a pseudonym cannot be found: %.*s",
			SPAN_ARG(buf_view(&why)));
	return found;
}

void
opening_pseudonyms(const struct query *q, const char *shares, const char *person,
	struct pseudonyms *out)
{
	const char *journal[QUERY_JOURNALS_MAX];
	size_t n = query_journals(q, journal);

	*out = (struct pseudonyms){ .n = 0 };
	for (size_t i = 0; i < (n ? n : 1); i++) {
		/* a daemon knows the words of its own journals */
		const struct query in = { .what = q->what,
			.config = i ? q->beside[i - 1]->file : q->config,
			.journal = n ? journal[i] : NULL };
		bool unknown = false, known = false;
		char *word = out->word[out->n];
		bool found = opening_pseudonym(&in, shares, person, word, &unknown);
		out->unknown |= unknown;
		for (size_t k = 0; k < out->n && found; k++)
			known |= !strcmp(word, out->word[k]);
		out->n += found && !known;
	}
}

bool
opening_plain(const struct query *q)
{
	SCOPED_ARENA(a, 0, false);
	const struct config *cfg = cmd_config(&a, q->config);

	return cfg && cfg->audit_persons == PERSONS_PLAIN;
}

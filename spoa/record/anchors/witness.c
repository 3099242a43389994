/* What was cosigned last of each origin, and whether a checkpoint continues it. The order of
 * the answers is that of C2SP tlog-witness: 400, 404, 403, 400, 409, 422, 200. */
#include "record/anchors/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/log.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "base/why.h"

#define STATE_HEAD "tollgate witness 1\n"
#define STATE_MAX  (1u << 20)
#define WARN_US	   60000000 /* a log's warnings are so far apart: anybody may cause them */
#define TEXT_TYPE  "text/plain; charset=utf-8"
#define SIZE_TYPE  "text/x.tlog.size"

/* Of one origin. */
struct seen {
	bool known; /* there was one */
	uint64_t size;
	struct merkle_hash root;
	uint64_t said_size; /* of the last refusal that was told: each once */
	int said;
	uint64_t warned_us; /* 0: not yet */
};

struct witness {
	const struct config *cfg;
	struct signkey key;
	struct metrics *metrics;
	int lock;
	struct seen seen[CAP_WITNESS_LOGS]; /* of cfg->witness_logs */
	struct buf others; /* the state's lines of origins that are not there */
};

/* ---- requests ---- */

/* A number without leading zeroes. */
static int
read_size(struct span s, uint64_t *out)
{
	return s.n == 0 || (s.n > 1 && s.p[0] == '0') || span_u64(s, out) < 0 ? ERR_SYNTAX : 0;
}

int
witness_request_read(struct span body, struct witness_request *out)
{
	struct span line = span_next(&body, '\n');
	size_t n;

	*out = (struct witness_request){ 0 };
	if (!span_starts(line, SPAN_LIT("old ")) ||
		read_size(span_cut(line, 4, line.n), &out->old))
		return ERR_SYNTAX;
	while ((line = span_next(&body, '\n')).n) {
		if (out->nproof == WITNESS_PROOF_MAX ||
			base64_get(line, out->proof[out->nproof].b, MERKLE_BYTES, &n) ||
			n != MERKLE_BYTES)
			return ERR_SYNTAX;
		out->nproof++;
	}
	out->note = body;
	return body.n ? 0 : ERR_SYNTAX;
}

/* ---- state ---- */

static struct seen *
seen_of(struct witness *w, struct span origin, const struct witness_log **log)
{
	for (size_t i = 0; i < w->cfg->nwitness_logs; i++) {
		*log = &w->cfg->witness_logs[i];
		if (span_is(origin, (*log)->origin))
			return &w->seen[i];
	}
	return NULL;
}

/* SIZE ROOT ORIGIN. A line whose origin is not configured is kept as it is: a log that was
 * taken out and comes back is no new one, of which anything would be believed. */
static int
read_witness_line(struct witness *w, struct span line)
{
	const struct span whole = line;
	const struct witness_log *log;
	struct span size = span_next(&line, ' '), root = span_next(&line, ' ');
	struct seen s = { .known = true };

	if (read_size(size, &s.size) || !line.n || !sha256_read(root, s.root.b))
		return ERR_SYNTAX;
	struct seen *to = seen_of(w, line, &log);
	if (to && to->known)
		return ERR_SYNTAX;
	if (to) {
		*to = s;
	} else {
		buf_span(&w->others, whole);
		buf_putc(&w->others, '\n');
	}
	return 0;
}

static int
read_state(struct witness *w, struct buf *why)
{
	const char *file = w->cfg->witness_state;
	int err = 0;

	SCOPED_BUF(text, STATE_MAX);
	if (!buf_file(&text, file)) {
		if (errno != ENOENT) {
			err = why_err(why, ERR_IO, "%s: %s", file, strerror(errno));
		} else {
			log_event(LOG_WARN, "witness.new", LS("file", file),
				LS("note", "the witness has no state, so it accepts the first "
					   "checkpoint of each log without a proof"));
		}
	} else {
		struct span rest = buf_view(&text);
		unsigned line = 1;
		bool whole = rest.n && rest.p[rest.n - 1] == '\n' &&
			     span_starts(rest, SPAN_LIT(STATE_HEAD));
		span_next(&rest, '\n');
		while (whole && rest.n && !err) {
			line++;
			err = read_witness_line(w, span_next(&rest, '\n'));
		}
		if (!whole || err)
			err = why_err(why, ERR_SYNTAX,
				"%s:%u: is no state of a witness: put it back", file, line);
	}
	return err;
}

static int
write_state(struct witness *w, struct buf *why)
{
	SCOPED_BUF(text, 0);
	buf_str(&text, STATE_HEAD);
	for (size_t i = 0; i < w->cfg->nwitness_logs; i++) {
		if (!w->seen[i].known)
			continue;
		buf_printf(&text, "%" PRIu64 " ", w->seen[i].size);
		buf_hex(&text, w->seen[i].root.b, MERKLE_BYTES);
		buf_printf(&text, " %s\n", w->cfg->witness_logs[i].origin);
	}
	buf_span(&text, buf_view(&w->others));
	return buf_failed(&text) ? ERR_NOMEM
				 : replace_file(AT_FDCWD, w->cfg->witness_state, 0600,
					   buf_view(&text), why);
}

/* ---- a checkpoint ---- */

struct answer {
	enum metric metric;
	unsigned status;
	const char *text;
};
/* clang-format off */
static const struct answer
	malformed   = { M_WITNESS_400, 400, "the body is no request of add-checkpoint\n" },
	unknown     = { M_WITNESS_404, 404, "no log of this origin is witnessed here\n" },
	unsigned_   = { M_WITNESS_403, 403, "no signature is by a key of this log\n" },
	above       = { M_WITNESS_400, 400, "the old size is above the checkpoint's\n" },
	conflicting = { M_WITNESS_409, 409, NULL }, /* the size */
	no_proof    = { M_WITNESS_422, 422, "the consistency proof does not verify\n" },
	not_kept    = { M_WITNESS_500, 500, "the state cannot be written\n" },
	cosigned    = { M_WITNESS_200, 200, NULL };
/* clang-format on */

/* The file is read each time, so that a key that is new counts without a restart. */
static const struct pubkey *
signer_of(const struct witness_log *log, const struct checkpoint *c)
{
	static _Thread_local struct pubkey keys[SIGNKEYS_MAX];

	SCOPED_BUF(why, 1024);
	int n = pubkeys_load(log->key, keys, SIGNKEYS_MAX, &why);
	if (n < 0)
		log_event(LOG_ERROR, "witness.key", LS("origin", log->origin),
			LSP("why", buf_view(&why)));
	return n > 0 ? checkpoint_signer(c, c->origin, keys, (size_t)n) : NULL;
}

/* What a log signed and was not cosigned, each once, warnings once a minute. Only another root
 * for as many records is a proof against it: anybody may send an old checkpoint again, or one
 * with a wrong proof. */
static void
say_refused(enum log_level level, struct seen *s, const struct witness_log *log,
	const struct checkpoint *c, int status, const char *why)
{
	char root[2 * MERKLE_BYTES + 1];

	uint64_t now = clock_mono_us();

	if ((s->said == status && s->said_size == c->size) ||
		(level == LOG_WARN && s->warned_us && now < s->warned_us + WARN_US))
		return;
	if (level == LOG_WARN)
		s->warned_us = now;
	s->said = status;
	s->said_size = c->size;
	sodium_bin2hex(root, sizeof(root), c->root.b, MERKLE_BYTES);
	log_event(level, "witness.refused", LS("origin", log->origin), LI("status", status),
		LI("size", c->size), LI("seen", s->size), LS("root", root), LS("why", why));
}

static const struct answer *
judge_witness(struct witness *w, const struct witness_request *r, const struct checkpoint *c,
	struct seen *s, const struct witness_log *log)
{
	struct merkle_range none = { 0 };
	struct merkle_hash empty;

	if (!signer_of(log, c))
		return &unsigned_;
	if (r->old > c->size)
		return &above;
	if (s->known && c->size < s->size)
		say_refused(LOG_WARN, s, log, c, 409,
			"fewer records than were seen: a cut tail, a restored old copy, two "
			"daemons with one origin, or an old checkpoint sent again");
	if (r->old != s->size)
		return &conflicting;
	if (s->known && c->size == s->size &&
		memcmp(&c->root, &s->root, sizeof(s->root)) != 0) {
		say_refused(LOG_ERROR, s, log, c, 409,
			"another root for as many records: a fork, or two daemons with one "
			"origin");
		return &conflicting;
	}
	merkle_root(&none, &empty);
	if ((c->size == 0 && memcmp(&c->root, &empty, sizeof(empty)) != 0) ||
		!merkle_consistent(r->old, s->known ? &s->root : &empty, c->size, &c->root,
			r->proof, r->nproof)) {
		say_refused(LOG_WARN, s, log, c, 422,
			"no proof that it continues what was seen: a fork, a restored old "
			"copy, "
			"or two daemons with one origin");
		return &no_proof;
	}
	const struct seen was = *s;
	*s = (struct seen){
		.known = true, .size = c->size, .root = c->root, .warned_us = was.warned_us
	};
	if (was.known && was.size == s->size)
		return &cosigned;
	SCOPED_BUF(why, 4096);
	int err = write_state(w, &why);
	if (err) {
		log_event(LOG_ERROR, "witness.state", LS("file", w->cfg->witness_state),
			LSP("why", buf_view(&why)));
		*s = was;
	}
	if (err)
		return &not_kept;
	log_event(LOG_INFO, "witness.cosigned", LS("origin", log->origin), LI("size", c->size));
	return &cosigned;
}

unsigned
witness_add(struct witness *w, struct span body, struct buf *out, const char **type)
{
	const struct answer *a = &malformed;
	const struct witness_log *log = NULL;
	struct witness_request r;
	struct checkpoint c;
	struct seen *s = NULL;
	const char *why;

	*type = TEXT_TYPE;
	if (witness_request_read(body, &r) == 0 && checkpoint_parse(r.note, &c, &why) == 0) {
		s = seen_of(w, c.origin, &log);
		a = s ? judge_witness(w, &r, &c, s, log) : &unknown;
	}
	metric_inc(w->metrics, a->metric);
	if (a == &cosigned) {
		note_cosign(out, c.text, span_str(w->cfg->witness_name),
			(uint64_t)(wall_now_ns() / 1000000000), &w->key);
	} else if (a == &conflicting) {
		*type = SIZE_TYPE;
		buf_printf(out, "%" PRIu64 "\n", s->size);
	} else {
		buf_str(out, a->text);
	}
	return a->status;
}

/* ---- life ---- */

static bool
same_key(const struct pubkey *x, const struct pubkey *y)
{
	return memcmp(x->raw, y->raw, sizeof(x->raw)) == 0;
}

int
witness_files(const struct config *cfg, struct buf *why)
{
	struct pubkey keys[SIGNKEYS_MAX];
	struct signkey own;
	int err = signkey_load(cfg->witness_key, &own, why);

	for (size_t i = 0; !err && i < cfg->nwitness_logs; i++) {
		int n = pubkeys_load(cfg->witness_logs[i].key, keys, SIGNKEYS_MAX, why);
		err = n < 0 ? n : 0;
		for (int k = 0; k < n && !err; k++)
			if (same_key(&keys[k], &own.pub))
				err = why_err(why, ERR_DUPLICATE,
					"%s: is the key of a log that it witnesses",
					cfg->witness_key);
	}
	signkey_wipe(&own);
	return err;
}

struct witness *
witness_open(const struct config *cfg, const struct pubkey *audit, struct metrics *m,
	struct buf *why)
{
	struct witness *w = calloc(1, sizeof(*w));
	char lock[1024];

	if (!w) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	w->cfg = cfg;
	w->metrics = m;
	buf_init(&w->others, STATE_MAX);
	snprintf(lock, sizeof(lock), "%s.lock", cfg->witness_state);
	w->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->lock < 0 || flock(w->lock, LOCK_EX | LOCK_NB) < 0) {
		buf_printf(why, "%s: %s", lock,
			w->lock >= 0 && errno == EWOULDBLOCK ? "another witness has this state"
							     : strerror(errno));
	} else if (witness_files(cfg, why) == 0 &&
		   signkey_load(cfg->witness_key, &w->key, why) == 0) {
		if (audit && same_key(audit, &w->key.pub))
			buf_printf(why, "%s: is audit.key: a witness has a key of its own",
				cfg->witness_key);
		else if (read_state(w, why) == 0)
			return w;
	}
	witness_close(&w);
	return NULL;
}

void
witness_close(struct witness **wp)
{
	struct witness *w = *wp;

	if (!w)
		return;
	signkey_wipe(&w->key);
	if (w->lock >= 0)
		close(w->lock);
	buf_free(&w->others);
	free(w);
	*wp = NULL;
}

/* Keeps the latest cosigned checkpoint of each origin, and judges whether a new checkpoint
 * continues it. Statuses are decided in the order of C2SP tlog-witness: 400 (malformed), 404,
 * 403, 400 (old size too large), 409, 422, 200.
 *
 * The state file: the line STATE_HEAD, then "SIZE ROOT ORIGIN" for each log, with ROOT in
 * hexadecimal. It is replaced and synced before a cosignature is returned. */
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
/* bytes of the file */
#define STATE_MAX (1u << 20)
/* µs between two warnings for one log: anyone can send an old checkpoint again */
#define WARN_US	  60000000
#define TEXT_TYPE "text/plain; charset=utf-8"
#define SIZE_TYPE "text/x.tlog.size"

/* The latest state of one log. */
struct seen {
	bool known;    /* a checkpoint of this log was cosigned; false: none yet */
	uint64_t size; /* records */
	struct merkle_hash root;
	uint64_t said_size; /* size and status of the last refusal that was logged; each refusal
			       is logged once */
	int said;
	uint64_t warned_us; /* monotonic µs; 0: no warning yet */
};

/* owner: the thread that calls. */
struct witness {
	const struct config *cfg;
	struct signkey key;
	struct metrics *metrics;
	int lock;			    /* descriptor of STATE.lock; an exclusive flock */
	struct seen seen[CAP_WITNESS_LOGS]; /* one for each log, in the order of
					     * cfg->witness_logs */
	struct buf others; /* lines of the file whose origins are not configured */
};

/* ---- requests ---- */

/* Reads a number without leading zeros. */
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

/* Reads a line "SIZE ROOT ORIGIN". A line whose origin is not configured is kept as it is: if
 * the log is configured again later, it must still continue what was cosigned. A log without
 * state would be accepted with any checkpoint. */
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
				"%s:%u: the file is damaged or is not the state of a witness: "
				"restore it from a backup",
				file, line);
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

/* ---- checkpoints ---- */

/* A response to add-checkpoint. */
struct answer {
	enum metric metric;
	unsigned status;
	const char *text; /* the body, with its line end; NULL: witness_add() makes the body */
};
/* clang-format off */
static const struct answer
	malformed   = { M_WITNESS_400, 400, "the request is malformed: a line `old N`, hashes, an empty line and a checkpoint are expected\n" },
	unknown     = { M_WITNESS_404, 404, "this witness has no log with this origin: ask its operator to add the log\n" },
	unsigned_   = { M_WITNESS_403, 403, "no signature verifies with a key of this log: after a rotation, ask the operator of this witness to add the new key\n" },
	above       = { M_WITNESS_400, 400, "the old size is larger than the size of the checkpoint\n" },
	conflicting = { M_WITNESS_409, 409, NULL }, /* the body is the size that was seen */
	no_proof    = { M_WITNESS_422, 422, "the consistency proof does not verify\n" },
	not_kept    = { M_WITNESS_500, 500, "the witness cannot write its state, so it does not cosign: try again later\n" },
	cosigned    = { M_WITNESS_200, 200, NULL };
/* clang-format on */

/* Returns the key that signed the checkpoint, or NULL. Reads the key file each time, so that
 * a new key takes effect without a restart. The result is valid until the next call on this
 * thread. */
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

/* Logs a checkpoint that the log signed and this witness does not cosign. Each refusal is
 * logged once, and warnings at most once a minute for each log. Only a different root for the
 * same number of records proves a fork, and is an error. The other refusals are warnings,
 * because anyone can send an old checkpoint again, or a wrong proof. */
static void
log_witness_refused(enum log_level level, struct seen *s, const struct witness_log *log,
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

/* Decides the response to a parsed request. For &cosigned, the new state is on the disk. */
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
		log_witness_refused(LOG_WARN, s, log, c, 409,
			"the checkpoint has fewer records than this witness has seen: the log "
			"lost its tail or was restored from an old copy, two daemons use one "
			"origin, or an old checkpoint was sent again");
	if (r->old != s->size)
		return &conflicting;
	if (s->known && c->size == s->size &&
		memcmp(&c->root, &s->root, sizeof(s->root)) != 0) {
		log_witness_refused(LOG_ERROR, s, log, c, 409,
			"the checkpoint has another root for the same number of records: the "
			"log was forked, or two daemons use one origin");
		return &conflicting;
	}
	merkle_root(&none, &empty);
	if ((c->size == 0 && memcmp(&c->root, &empty, sizeof(empty)) != 0) ||
		!merkle_consistent(r->old, s->known ? &s->root : &empty, c->size, &c->root,
			r->proof, r->nproof)) {
		log_witness_refused(LOG_WARN, s, log, c, 422,
			"there is no proof that the checkpoint continues the log that this "
			"witness has seen: the log was forked or restored from an old copy, or "
			"two daemons use one origin");
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

/* ---- opening and closing ---- */

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
					"%s: this is also the key of a witnessed log: give the "
					"witness a key of its own",
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
			w->lock >= 0 && errno == EWOULDBLOCK ? "another process uses this state"
							     : strerror(errno));
	} else if (witness_files(cfg, why) == 0 &&
		   signkey_load(cfg->witness_key, &w->key, why) == 0) {
		if (audit && same_key(audit, &w->key.pub))
			buf_printf(why,
				"%s: this is also audit.key: give the witness a key of its own",
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

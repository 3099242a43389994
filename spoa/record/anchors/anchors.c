/* The thread tg-anchors: sends the newest checkpoint to each configured place when the
 * place's turn comes, logs and records the result, and shows it in status, readiness and
 * metrics.
 *
 * A turn of a place: on_anchor_due() gets the newest checkpoint, the function in
 * anchor_ways[] begins the attempt, place_over() gets its result, and anchor_recorded()
 * schedules the next turn. File and syslog may block, so they run on a pool of threads
 * ("errands"). The URL, TSA and witness requests are asynchronous on the loop of this
 * thread.
 *
 * The first section is the client of a witness (C2SP tlog-witness, add-checkpoint). A request names
 * the size that the witness has seen ("old N"), a proof that the checkpoint continues the log of
 * that size, and the checkpoint. If the size is wrong, the witness responds with 409 and the size
 * that it has seen, and the client tries once more with that size. So nothing needs to be stored:
 * the first request of a start sends "old 0".
 *
 * The second section has the time stamps of RFC 3161 over the SHA-256 of a checkpoint's note. A
 * response is accepted only if its status is "granted" (not "granted with modifications"), and it
 * has our imprint and our nonce. A certificate that is for time stamping alone and is issued under
 * the authorities in `ca` must have signed it. The time in it must be close to the local clock. */
#include "record/anchors/anchors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/codec/http.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/timer.h"
#include "base/wall.h"
#include "base/why.h"
#include "record/anchors/place.h"
#include "record/anchors/witness.h"
#include "record/proof/tiles.h"

/* ---- places ---- */

#define NO_ANSWER_YET "no reply yet: check the disk and the name resolver"

/* owner: tg-anchors, except `lock` and what it protects. Places are as many as cfg->anchors. */
struct anchors {
	struct tag tag;
	const struct config *cfg;
	struct anchors_audit audit;
	struct metrics *metrics;
	struct http_thread *http;
	ev_timer stop; /* owner: loop; ends the thread while an errand is blocked */
	/* threads for the errands; NULL: no place is a file or syslog */
	struct pool *aside;
	uint64_t started_us;  /* monotonic µs */
	pthread_mutex_t lock; /* guards `shown` of each place */
	size_t n;	      /* number of places */
	struct place place[];
};

/* ---- the turn of a place ---- */

enum {
	/* µs between two looks for a checkpoint while the log has none yet */
	FIRST_US = 1000000,
	/* µs until the first retry after a failure; doubled with each further failure */
	RETRY_US = 1000000,
	/* µs; the longest wait before a retry */
	MOST_US = 60000000,
	/* seconds; a longer Retry-After of a place is shortened to this */
	ASKED_MOST_S = 86400,
	/* µs; at a stop, a blocked errand is abandoned after this time */
	STOP_US = 2000000,
};

static const char *const end_words[ANCHOR_ENDS] = { "taken", "refused", "away" };

/* Moves the place to the state `next`. Aborts the program if that state cannot follow the
 * current one, for example if one attempt ended twice. */
static void
anchor_enter(struct place *p, enum place_state next)
{
	static const unsigned char follows[] = {
		[PLACE_WAITS] = 1u << PLACE_WAITS | 1u << PLACE_ASKS,
		[PLACE_ASKS] = 1u << PLACE_WAITS | 1u << PLACE_RECORDS,
		[PLACE_RECORDS] = 1u << PLACE_WAITS,
	};

	INVARIANT(p->state < COUNT_OF(follows) && follows[p->state] & 1u << next);
	p->state = next;
}

/* Schedules the next turn, unless the thread is stopping. */
static void
next_turn(struct place *p, uint64_t after_us)
{
	anchor_enter(p, PLACE_WAITS);
	if (!atomic_load(&p->all->http->stopping))
		timer_after(p->all->http->loop, &p->due, after_us);
}

/* Schedules the turn after the one that just ended: after the wait for a retry, or when the
 * place's interval is over. */
static void
next_after(struct place *p)
{
	uint64_t gone = clock_mono_us() - p->began_us, every = p->at->every_us;

	next_turn(p, p->wait_us ? p->wait_us : every > gone ? every - gone : 0);
}

/* Stores the result in p->shown. Returns true if the result, or the reason of a refusal,
 * differs from the previous one. */
static bool
show_anchor(struct place *p, enum anchor_end end, const char *why)
{
	uint64_t now = clock_mono_us();

	SCOPED_LOCK(&p->all->lock);
	bool other = !p->shown.tried || p->shown.end != end ||
		     (end == ANCHOR_REFUSED && strcmp(p->shown.why, why) != 0);
	if (!p->shown.tried || p->shown.end != end)
		p->shown.since_us = now;
	p->shown.tried = true;
	p->shown.asked_us = 0;
	p->shown.end = end;
	snprintf(p->shown.why, sizeof(p->shown.why), "%s", why);
	if (end == ANCHOR_TAKEN) {
		p->shown.taken = true;
		p->shown.size = p->checkpoint.size;
		p->shown.taken_us = now;
		p->shown.taken_ns = clock_wall_ns();
	}
	return other;
}

static void
log_anchor_end(const struct place *p, enum anchor_end end, const char *why)
{
	const char *kind = anchor_words[p->at->kind];

	if (end == ANCHOR_TAKEN)
		log_event(LOG_INFO, "anchor.taken", LS("kind", kind), LS("place", p->name),
			LI("size", p->checkpoint.size));
	else if (end == ANCHOR_REFUSED)
		log_event(LOG_ERROR, "anchor.refused", LS("kind", kind), LS("place", p->name),
			LI("size", p->checkpoint.size), LS("why", why));
	else
		log_event(LOG_WARN, "anchor.away", LS("kind", kind), LS("place", p->name),
			LS("why", why));
}

/* The record of the attempt is durable, or could not be written. */
static void
anchor_recorded(struct audit_entry *e, int err)
{
	struct place *p = TAGGED(place, e->arg);

	buf_clear(&e->fields);
	/* The journal's disk refuses records, which the audit thread reports. Retry more
	 * slowly. */
	if (err)
		p->wait_us = wait_doubled(p->wait_us, RETRY_US, MOST_US);
	next_after(p);
}

/* Writes the record of type "anchor" for an attempt. */
static void
record_anchor(
	struct place *p, enum anchor_end end, struct span answer, bool base64, const char *why)
{
	struct audit_entry *e = &p->entry;
	struct buf *b = &e->fields;

	buf_clear(b);
	json_put_form(b,
		"'type':'anchor','kind':%s,'place':%t,'result':%s,'origin':%t,'size':%u,"
		"'root':'",
		anchor_words[p->at->kind], span_str(p->name), end_words[end],
		p->checkpoint.origin, p->checkpoint.size);
	buf_hex(b, p->checkpoint.root.b, sizeof(p->checkpoint.root.b));
	buf_putc(b, '"');
	if (answer.n && base64) {
		json_put_form(b, "'answer':'");
		base64_put(b, answer.p, answer.n);
		buf_putc(b, '"');
	} else if (answer.n) {
		json_put_text(b, "answer", answer);
	} else {
		json_put_null(b, "answer");
	}
	if (end == ANCHOR_REFUSED)
		json_put_str(b, "why", why);
	json_put_uint(b, "duration_us", clock_mono_us() - p->began_us);
	e->reply_to = &p->all->http->mail;
	e->done = anchor_recorded;
	e->arg = p;
	anchor_enter(p, PLACE_RECORDS);
	p->all->audit.append(p->all->audit.arg, e);
}

/* Ends the attempt. `answer` is the response for the record, written as text, or in base64 if
 * `base64` is set; n 0: none. `why` is the reason; it is ignored if the checkpoint was
 * accepted. */
__attribute__((format(printf, 5, 6))) static void
place_over(struct place *p, enum anchor_end end, struct span answer, bool base64,
	const char *fmt, ...)
{
	char why[PLACE_WHY] = "";
	va_list ap;

	va_start(ap, fmt);
	if (end != ANCHOR_TAKEN)
		vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	INVARIANT(p->state == PLACE_ASKS);
	if (atomic_load(&p->all->http->stopping)) {
		anchor_enter(p, PLACE_WAITS);
		return;
	}
	metric_inc(p->all->metrics,
		M_ANCHOR_FILE_TAKEN + (unsigned)p->at->kind * ANCHOR_ENDS + (unsigned)end);
	bool other = show_anchor(p, end, why);
	if (other)
		log_anchor_end(p, end, why);
	p->wait_us = end == ANCHOR_TAKEN ? 0 : wait_doubled(p->wait_us, RETRY_US, MOST_US);
	if (p->asked_wait_us > p->wait_us)
		p->wait_us = p->asked_wait_us;
	p->asked_wait_us = 0;
	/* A place that is away is only logged. A refusal is recorded when it begins or when
	 * its reason changes, not at each attempt. */
	if (end == ANCHOR_TAKEN || (end == ANCHOR_REFUSED && other))
		record_anchor(p, end, answer, base64, why);
	else
		next_after(p);
}

/* Sends `body` by POST to the address of the place with `suffix` appended. `answer_bytes`
 * bounds the response. `cb` gets the response, unless the request cannot even begin: then
 * place_over() is called. */
static void
place_post(struct place *p, const char *suffix, const char *type, struct span body,
	size_t answer_bytes, http_cb *cb)
{
	struct span base = span_str(p->at->place);

	while (*suffix && base.n && base.p[base.n - 1] == '/')
		base.n--;
	SCOPED_BUF(url, 0);
	SCOPED_BUF(field, 0);
	buf_printf(&url, "%.*s%s", SPAN_ARG(base), suffix);
	buf_putc(&url, '\0');
	buf_printf(&field, "Content-Type: %s", type);
	buf_putc(&field, '\0');
	const char *const fields[] = { buf_view(&field).p };
	const struct http_call_options o = { .url = buf_view(&url).p,
		.body = body,
		.fields = fields,
		.nfields = 1,
		.ca_file = p->at->tls_ca,
		.deadline_us = ANCHOR_DEADLINE_US,
		.answer_bytes = answer_bytes };
	bool whole = !buf_failed(&url) && !buf_failed(&field) && body.p;
	p->call = whole ? http_call(p->all->http->client, &o, cb, p) : NULL;
	if (!p->call)
		place_over(p, ANCHOR_AWAY, (struct span){ NULL, 0 }, false, "out of memory");
}

/* If the request got no response, calls place_over() and returns true. Every callback of
 * place_post() calls it first. */
static bool
place_unanswered(struct place *p, const struct http_answer *a)
{
	p->call = NULL;
	if (!a->err)
		return false;
	/* The response was longer than a valid response can be, so the place did respond. */
	place_over(p, a->err == ERR_LIMIT ? ANCHOR_REFUSED : ANCHOR_AWAY,
		(struct span){ NULL, 0 }, false, "%s", a->why);
	return true;
}

/* Returns the seconds of Retry-After, given as a number or as a date (RFC 9110 10.2.3), at
 * most ASKED_MOST_S. Returns 0 if the field is missing or invalid. */
static uint64_t
asked_wait_s(const struct http_answer *a)
{
	struct span v = http_answer_field(a, "retry-after");
	int64_t at_s, now_s = wall_now_ns() / 1000000000;
	uint64_t s = 0;

	if (span_u64(v, &s))
		s = http_date(v, &at_s) == 0 && at_s > now_s ? (uint64_t)(at_s - now_s) : 0;
	return s < ASKED_MOST_S ? s : ASKED_MOST_S;
}

/* Ends the attempt for a response whose status is not the success status. The statuses 429
 * and 5xx count as no response, and Retry-After is respected. Other statuses end the attempt
 * with `other`. */
static void
place_failed(struct place *p, const struct http_answer *a, enum anchor_end other)
{
	bool throttles = a->status == 429;
	uint64_t s = throttles || a->status == 503 ? asked_wait_s(a) : 0;
	char text[16];
	struct span status = { NULL, 0 };

	if (p->at->kind == ANCHOR_URL)
		status = span_of(text, (size_t)snprintf(text, sizeof(text), "%d", a->status));
	p->asked_wait_us = s * 1000000;
	if (s)
		place_over(p, ANCHOR_AWAY, status, false,
			"the place asks to wait for %" PRIu64 " s (status %d)", s, a->status);
	else
		place_over(p, throttles || a->status >= 500 ? ANCHOR_AWAY : other, status,
			false, "the place returned status %d", a->status);
}

/* ---- witnesses ---- */

static const struct span nothing = { NULL, 0 };

/* ---- keys and cosignatures ---- */

int
witness_keys(const char *file, struct pubkey *out, size_t max, struct buf *why)
{
	size_t n = 0;

	SCOPED_BUF(text, 64 << 10);
	int pem = pubkeys_load(file, out, max, why);
	if (pem == ERR_SYNTAX && buf_file(&text, file))
		for (struct span rest = buf_view(&text), name; rest.n && n < max;) {
			enum note_type type;
			n += note_vkey_parse(span_next(&rest, '\n'), &type, &name, &out[n]) ==
				     0 &&
			     type == NOTE_COSIGNATURE;
		}
	if (n)
		buf_clear(why);
	return n ? (int)n : pem;
}

struct span
witness_cosignature(struct span note, struct span answer, const struct pubkey *keys,
	size_t nkeys, uint64_t *time)
{
	struct span found = nothing, rest = answer;
	struct note_signature one;
	struct checkpoint c;
	const char *why;

	SCOPED_BUF(whole, NOTE_MAX);
	buf_span(&whole, note);
	buf_span(&whole, answer);
	bool read = !buf_failed(&whole) && checkpoint_parse(buf_view(&whole), &c, &why) == 0;
	while (read && !found.n && note_signature_next(&rest, &one) > 0)
		for (size_t i = 0; i < nkeys && !found.n; i++)
			if ((*time = checkpoint_cosigned(&c, one.name, &keys[i])))
				found = one.line;
	return found;
}

/* ---- requests ---- */

static void ask_submit(struct place *p, uint64_t old);

static void
submit_refused(struct place *p, const char *why)
{
	place_over(p, ANCHOR_REFUSED, nothing, false, "%s", why);
}

/* Status 200: the response must have a cosignature that verifies. */
static void
take_cosignature(struct place *p, struct span answer)
{
	struct pubkey keys[SIGNKEYS_MAX];
	uint64_t time = 0;

	SCOPED_BUF(why, PLACE_WHY);
	int n = witness_keys(p->at->key, keys, SIGNKEYS_MAX, &why);
	struct span line =
		n > 0 ? witness_cosignature(buf_view(&p->note), answer, keys, (size_t)n, &time)
		      : nothing;
	if (n <= 0)
		place_over(p, ANCHOR_AWAY, nothing, false, "%.*s", SPAN_ARG(buf_view(&why)));
	else if (!line.n)
		submit_refused(p, "the response has no cosignature that verifies with the key "
				  "of the witness");
	else
		place_over(p, ANCHOR_TAKEN, line, false, " ");
	if (line.n)
		p->witness.old = p->checkpoint.size;
}

/* Status 409: the witness has seen another size than the request stated. */
static void
resolve_conflict(struct place *p, const struct http_answer *a)
{
	struct span text = a->body, type = http_answer_field(a, "content-type");
	uint64_t seen, size = p->checkpoint.size;

	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (!span_is(type, "text/x.tlog.size") || span_u64(text, &seen) < 0)
		place_over(p, ANCHOR_REFUSED, nothing, false,
			"the witness returned status 409 without a size");
	else if (seen > size)
		place_over(p, ANCHOR_REFUSED, nothing, false,
			"the witness has seen %" PRIu64
			" records of this log, which has %" PRIu64
			" now: its end was cut off, an old copy was restored, or another log "
			"uses this origin",
			seen, size);
	else if (seen == size && seen == p->witness.old)
		place_over(p, ANCHOR_REFUSED, nothing, false,
			"the witness has seen another log with this origin and size: the "
			"journal was forked, or two daemons use one origin");
	else if (p->witness.again || seen == p->witness.old)
		place_over(p, ANCHOR_AWAY, nothing, false,
			"the size that the witness reports keeps changing: check whether two "
			"daemons use one origin");
	else {
		p->witness.again = true;
		ask_submit(p, seen);
	}
}

static void
on_submit_answer(void *arg, const struct http_answer *a)
{
	struct place *p = TAGGED(place, arg);

	if (place_unanswered(p, a))
		return;
	switch (a->status) {
	case 200: take_cosignature(p, a->body); break;
	case 409: resolve_conflict(p, a); break;
	case 400:
		submit_refused(p, "the witness reports that the request is malformed (400)");
		break;
	case 403:
		submit_refused(
			p, "the witness has no key that verifies this log's signature (403): "
			   "after a rotation, add the new public key at the witness");
		break;
	case 404:
		submit_refused(p, "the witness does not know the origin of this log (404): add "
				  "the log at the witness");
		break;
	case 422:
		submit_refused(p, "this log does not continue the log that the witness has "
				  "seen (422): the journal was forked or restored from an old "
				  "copy, or two daemons use one origin");
		break;
	default: place_failed(p, a, ANCHOR_AWAY);
	}
}

/* Checks that the files of the tree match the checkpoint. A proof from damaged files would
 * look like a fork to the witness, which would report one. */
static bool
proof_matches_checkpoint(const struct place *p, const struct merkle_source *s, uint64_t old,
	const struct merkle_hash *proof, size_t n)
{
	struct merkle_range range;
	struct merkle_hash root;

	if (merkle_range_at(s, old, &range))
		return false;
	merkle_root(&range, &root);
	return merkle_consistent(old, &root, p->checkpoint.size, &p->checkpoint.root, proof, n);
}

/* Appends the consistency proof from `old` records to the checkpoint, a hash in base64 on
 * each line. Returns 0, or an error with the reason in *why. */
static int
put_proof(struct place *p, uint64_t old, struct buf *body, struct buf *why)
{
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	struct tiles t;
	size_t n = 0;

	if (old == 0 || old == p->checkpoint.size)
		return 0;
	int err = tiles_open(&t, p->all->cfg->journal, p->all->cfg->node, false, why);
	if (err)
		return err;
	if (t.n < p->checkpoint.size) {
		err = why_err(why, ERR_NOTFOUND,
			"the files of the tree do not reach the checkpoint yet: the next turn "
			"tries again");
	} else {
		struct merkle_source s = tiles_source(&t);
		err = merkle_consistency(&s, old, p->checkpoint.size, proof, &n);
		if (err || n > WITNESS_PROOF_MAX) {
			buf_str(why, "the files of the tree cannot be read for a proof");
		} else if (!proof_matches_checkpoint(p, &s, old, proof, n)) {
			err = why_err(why, ERR_AUTH,
				"the files of the tree do not match the checkpoint: restart "
				"the daemon, which rebuilds them");
		}
	}
	for (size_t i = 0; i < n; i++) {
		base64_put(body, proof[i].b, MERKLE_BYTES);
		buf_putc(body, '\n');
	}
	tiles_close(&t);
	return err;
}

/* Sends the checkpoint with `old`, the number of records that the witness is believed to have
 * seen. */
static void
ask_submit(struct place *p, uint64_t old)
{
	/* The witness has seen more records than the checkpoint has. "old 0" makes the
	 * witness report its size. */
	p->witness.old = old = old > p->checkpoint.size ? 0 : old;
	SCOPED_BUF(body, 0);
	SCOPED_BUF(why, PLACE_WHY);
	buf_printf(&body, "old %" PRIu64 "\n", old);
	int err = put_proof(p, old, &body, &why);
	buf_putc(&body, '\n');
	buf_span(&body, buf_view(&p->note));
	if (err)
		place_over(p, ANCHOR_AWAY, nothing, false,
			"there is no proof from record %" PRIu64 ": %.*s", old,
			SPAN_ARG(buf_view(&why)));
	else
		place_post(p, "/add-checkpoint", "text/plain; charset=utf-8", buf_view(&body),
			CAP_ANCHOR_ANSWER, on_submit_answer);
}

static void
place_take_witness(struct place *p)
{
	ask_submit(p, p->witness.old);
}

/* ---- time stamps ---- */

#if OPENSSL_VERSION_NUMBER <                                                                   \
	0x30400000L /* OpenSSL 3.4 renamed the function, which takes over the store */
#define TS_VERIFY_CTX_set0_store TS_VERIFY_CTX_set_store
#endif

TS_REQ *
tsa_query(struct span note)
{
	unsigned char nonce[8], hash[SHA256_BYTES];
	TS_REQ *q = TS_REQ_new();
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	X509_ALGOR *algo = X509_ALGOR_new();
	BIGNUM *bn = NULL;
	ASN1_INTEGER *number = NULL;

	sha256(note, hash);
	random_bytes(nonce, sizeof(nonce));
	nonce[0] = (unsigned char)((nonce[0] & 0x7f) |
				   0x40); /* the nonce always has the same length */
	bool ok = q && imprint && algo && (bn = BN_bin2bn(nonce, sizeof(nonce), NULL)) &&
		  (number = BN_to_ASN1_INTEGER(bn, NULL)) &&
		  X509_ALGOR_set0(algo, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) &&
		  TS_MSG_IMPRINT_set_algo(imprint, algo) &&
		  TS_MSG_IMPRINT_set_msg(imprint, hash, SHA256_BYTES) &&
		  TS_REQ_set_version(q, 1) && TS_REQ_set_msg_imprint(q, imprint) &&
		  TS_REQ_set_nonce(q, number) && TS_REQ_set_cert_req(q, 1);
	ASN1_INTEGER_free(number);
	BN_free(bn);
	X509_ALGOR_free(algo);
	TS_MSG_IMPRINT_free(imprint);
	if (ok)
		return q;
	TS_REQ_free(q);
	return NULL;
}

/* Appends the status of a refused request, and at most 100 characters of the authority's
 * text, with "?" for bytes that are not printable ASCII. */
static void
put_tsa_status(TS_STATUS_INFO *info, struct buf *why)
{
	const STACK_OF(ASN1_UTF8STRING) *texts = TS_STATUS_INFO_get0_text(info);

	buf_printf(why, "the status of the response is %ld, not granted",
		ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(info)));
	const ASN1_STRING *first = texts && sk_ASN1_UTF8STRING_num(texts)
					   ? sk_ASN1_UTF8STRING_value(texts, 0)
					   : NULL;
	if (!first)
		return;
	buf_str(why, ": ");
	for (int i = 0; i < ASN1_STRING_length(first) && i < 100; i++) {
		char c = (char)ASN1_STRING_get0_data(first)[i];
		buf_putc(why, c >= ' ' && c <= '~' ? c : '?');
	}
}

/* Appends OpenSSL's last error. */
static void
put_openssl_error(struct buf *why)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL, *data = NULL;
	int flags = 0;

	ERR_peek_last_error_data(&data, &flags);
	buf_printf(why, "the time stamp does not verify: %s", reason ? reason : "?");
	if (data && *data && flags & ERR_TXT_STRING)
		buf_printf(why, " (%.160s)", data);
}

/* Verifies the token as `v` requires. Frees `v`, which may be NULL (out of memory: false). */
static bool
token_holds(TS_VERIFY_CTX *v, int flags, TS_RESP *r, X509_STORE *store)
{
	if (!v)
		return false;
	TS_VERIFY_CTX_add_flags(v, flags);
	X509_STORE_up_ref(store);
	TS_VERIFY_CTX_set0_store(v, store); /* `v` owns this reference */
	bool ok = TS_RESP_verify_response(v, r) == 1;
	TS_VERIFY_CTX_free(v);
	return ok;
}

int64_t tsa_off_s = 3600;

/* A time stamp is evidence of a time. If the authority's clock or the local clock is far off,
 * the stamp is rejected, because it would be evidence of a wrong time. */
static bool
time_fits(TS_RESP *r, struct buf *why)
{
	struct tm then;

	if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(TS_RESP_get_tst_info(r)), &then) != 1) {
		buf_str(why, "the time in the time stamp cannot be read");
		return false;
	}
	int64_t off = (int64_t)timegm(&then) - clock_wall_ns() / 1000000000;
	if (off <= tsa_off_s && off >= -tsa_off_s)
		return true;
	/* Only whole hours are named: each new reason becomes a record, and this text must
	 * not change at each attempt. */
	buf_printf(why,
		"the time of the stamp is %" PRId64
		" hours %s the local clock: correct the clock that is wrong",
		(off < 0 ? -off : off) / 3600, off < 0 ? "before" : "after");
	return false;
}

int
tsa_verify(TS_REQ *query, struct span response, const char *ca, struct buf *why)
{
	const unsigned char *at = (const unsigned char *)response.p;
	int err = ERR_AUTH;

	ERR_clear_error();
	X509_STORE *store = X509_STORE_new();
	TS_RESP *r = response.n && response.n <= CAP_ANCHOR_ANSWER
			     ? d2i_TS_RESP(NULL, &at, (long)response.n)
			     : NULL;
	if (!r || at != (const unsigned char *)response.p + response.n)
		buf_str(why, "the response is not a time stamp response of RFC 3161");
	else if (ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(r))) !=
		 TS_STATUS_GRANTED)
		put_tsa_status(TS_RESP_get_status_info(r), why);
	else if (!store || !X509_STORE_load_file(store, ca))
		buf_printf(why, "%s: the certificates cannot be read", ca);
	else if (!token_holds(TS_REQ_to_TS_VERIFY_CTX(query, NULL),
			 TS_VFY_VERSION | TS_VFY_IMPRINT | TS_VFY_NONCE | TS_VFY_SIGNATURE, r,
			 store))
		put_openssl_error(why);
	else if (time_fits(r, why))
		err = 0;
	TS_RESP_free(r);
	X509_STORE_free(store);
	ERR_clear_error();
	return err;
}

static bool
is_over_hash(TS_TST_INFO *tst, const unsigned char hash[SHA256_BYTES])
{
	TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(tst);
	const ASN1_OCTET_STRING *got = TS_MSG_IMPRINT_get_msg(imprint);
	const ASN1_OBJECT *algo = NULL;

	X509_ALGOR_get0(&algo, NULL, NULL, TS_MSG_IMPRINT_get_algo(imprint));
	return OBJ_obj2nid(algo) == NID_sha256 && ASN1_STRING_length(got) == SHA256_BYTES &&
	       memcmp(ASN1_STRING_get0_data(got), hash, SHA256_BYTES) == 0;
}

/* Verifies with certificates that were valid at the time of the stamp. */
static bool
signed_then(TS_RESP *r, TS_TST_INFO *tst, X509_STORE *store)
{
	struct tm then;

	if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(tst), &then) != 1)
		return false;
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), timegm(&then));
	return token_holds(TS_VERIFY_CTX_new(), TS_VFY_VERSION | TS_VFY_SIGNATURE, r, store);
}

int
tsa_token_check(struct span response, const unsigned char hash[SHA256_BYTES], const char *ca,
	struct buf *why)
{
	const unsigned char *at = (const unsigned char *)response.p;
	int err = ERR_AUTH;

	ERR_clear_error();
	X509_STORE *store = ca ? X509_STORE_new() : NULL;
	TS_RESP *r = d2i_TS_RESP(NULL, &at, (long)response.n);
	TS_TST_INFO *tst = r ? TS_RESP_get_tst_info(r) : NULL;
	if (!tst)
		buf_str(why, "the file is not a time stamp of RFC 3161");
	else if (!is_over_hash(tst, hash))
		buf_str(why, "the time stamp is for other data than this checkpoint");
	else if (!ca)
		err = 0;
	else if (!store || !X509_STORE_load_file(store, ca))
		buf_printf(why, "%s: the certificates cannot be read", ca);
	else if (signed_then(r, tst, store))
		err = 0;
	else
		put_openssl_error(why);
	TS_RESP_free(r);
	X509_STORE_free(store);
	ERR_clear_error();
	return err;
}

static void
on_token(void *arg, const struct http_answer *a)
{
	struct place *p = TAGGED(place, arg);

	if (place_unanswered(p, a))
		return;
	if (a->status != 200) {
		place_failed(p, a, ANCHOR_REFUSED);
		return;
	}
	SCOPED_BUF(why, PLACE_WHY);
	bool ok = tsa_verify(p->query, a->body, p->at->ca, &why) == 0;
	/* A response that does not verify is recorded, too: it is evidence. */
	place_over(p, ok ? ANCHOR_TAKEN : ANCHOR_REFUSED, a->body, true, "%.*s",
		SPAN_ARG(buf_view(&why)));
}

/* Begin an attempt to send p->note to a time stamp authority (RFC 3161) or a witness. Each
 * attempt ends with exactly one place_over(), during the call or later. */
static void
place_take_tsa(struct place *p)
{
	unsigned char *der = NULL;

	TS_REQ_free(p->query);
	p->query = tsa_query(buf_view(&p->note));
	int n = p->query ? i2d_TS_REQ(p->query, &der) : 0;
	if (n <= 0)
		place_over(p, ANCHOR_AWAY, (struct span){ NULL, 0 }, false, "out of memory");
	else
		place_post(p, "", "application/timestamp-query",
			span_of((const char *)der, (size_t)n), CAP_ANCHOR_ANSWER, on_token);
	OPENSSL_free(der);
}

/* ---- file ---- */
static int
append_note(int fd, struct span note)
{
	struct stat before;

	if (fstat(fd, &before) < 0)
		return -1;
	if (!S_ISREG(before.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	/* The note is appended with one write, so a program that follows the file never sees
	 * half a note. Only a full disk can cut the write short, and then the half is
	 * truncated away. */
	ssize_t n = write(fd, note.p, note.n);
	if (n == (ssize_t)note.n)
		return fdatasync(fd);
	int why = n < 0 ? errno : ENOSPC;
	if (n > 0 && ftruncate(fd, before.st_size) < 0)
		why = errno;
	errno = why;
	return -1;
}

/* Appends the note to the file and syncs it. The file is opened again for each note, because
 * other programs may rotate it. Blocks. Returns 0, or ERR_IO with the reason in `why`. */
static int
anchor_append(const char *file, struct span note, char why[PLACE_WHY])
{
	/* O_NONBLOCK: opening a pipe that has no reader would otherwise block. */
	SCOPED_FD(fd,
		open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
			0600));
	int err = fd < 0 || append_note(fd, note) < 0 ? ERR_IO : 0;

	if (err)
		snprintf(why, PLACE_WHY, "%s",
			errno == EINVAL ? "the path is not a regular file" : strerror(errno));
	return err;
}

/* ---- requests by HTTP ---- */

static void
on_posted(void *arg, const struct http_answer *a)
{
	struct place *p = TAGGED(place, arg);
	char status[16];

	if (place_unanswered(p, a))
		return;
	snprintf(status, sizeof(status), "%d", a->status);
	if (a->status >= 200 && a->status < 300)
		place_over(p, ANCHOR_TAKEN, span_str(status), false, " ");
	else
		place_failed(p, a, ANCHOR_REFUSED);
}

static void
place_take_http(struct place *p)
{
	place_post(p, "", "text/plain; charset=utf-8", buf_view(&p->note), CAP_ANCHOR_ANSWER,
		on_posted);
}

/* ---- errands: file and syslog ---- */

/* An attempt on a thread of the pool. It has copies of everything, because a file system that
 * hangs may keep the thread beyond anchors_stop(). */
struct errand {
	struct work work; /* owner: the pool */
	struct mail mail; /* carries the result to tg-anchors */
	struct place *place;
	struct mailbox *to; /* the loop's mailbox */
	enum anchor_kind kind;
	/* `tls_ca` "": none */
	char where[PLACE_TEXT], tls_ca[PLACE_TEXT], node[65];
	struct buf note;
	int err; /* 0, or an error with its reason in `why` */
	char why[PLACE_WHY];
};

/* The errand has ended. Runs on tg-anchors. */
static void
errand_done(struct mail *m, void *consumer UNUSED)
{
	struct errand *e = CONTAINER_OF(m, struct errand, mail);
	struct place *p = e->place;

	INVARIANT(p->errand);
	p->errand = false;
	if (e->err)
		place_over(p, ANCHOR_AWAY, (struct span){ NULL, 0 }, false, "%s", e->why);
	else
		place_over(p, ANCHOR_TAKEN, (struct span){ NULL, 0 }, false, " ");
	buf_free(&e->note);
	free(e);
}

/* Runs on a thread of the pool. */
static void
errand_run(struct work *w, unsigned thread UNUSED)
{
	struct errand *e = CONTAINER_OF(w, struct errand, work);

	e->err = e->kind == ANCHOR_FILE
			 ? anchor_append(e->where, buf_view(&e->note), e->why)
			 : anchor_syslog(e->where, e->tls_ca[0] ? e->tls_ca : NULL, e->node,
				   buf_view(&e->note), e->why);
	e->mail.run = errand_done;
	mailbox_send(e->to, &e->mail);
}

static void
place_take_aside(struct place *p)
{
	struct errand *e = calloc(1, sizeof(*e));

	if (e) {
		buf_init(&e->note, 0);
		buf_span(&e->note, buf_view(&p->note));
	}
	if (!e || buf_failed(&e->note)) {
		free(e);
		place_over(p, ANCHOR_AWAY, (struct span){ NULL, 0 }, false, "out of memory");
		return;
	}
	e->place = p;
	e->to = &p->all->http->mail;
	e->kind = p->at->kind;
	snprintf(e->where, sizeof(e->where), "%s", p->at->place);
	snprintf(e->tls_ca, sizeof(e->tls_ca), "%s", p->at->tls_ca ? p->at->tls_ca : "");
	snprintf(e->node, sizeof(e->node), "%s", p->all->cfg->node);
	e->work.run = errand_run;
	INVARIANT(!p->errand);
	p->errand = true;
	pool_submit(p->all->aside, &e->work);
}

/* Begins an attempt, by the kind of the place. */
static void (*const anchor_ways[ANCHOR_KINDS])(struct place *) = {
	[ANCHOR_FILE] = place_take_aside,
	[ANCHOR_SYSLOG] = place_take_aside,
	[ANCHOR_URL] = place_take_http,
	[ANCHOR_TSA] = place_take_tsa,
	[ANCHOR_WITNESS] = place_take_witness,
};

/* The turn of a place has come. */
static void
on_anchor_due(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct place *p = TAGGED(place, w->data);
	struct anchors *a = p->all;
	const char *why = NULL;
	uint64_t size;

	buf_clear(&p->note);
	if (!a->audit.note(a->audit.arg, &p->note, &size)) {
		next_turn(p, FIRST_US);
		return;
	}
	p->began_us = clock_mono_us();
	anchor_enter(p, PLACE_ASKS);
	if (checkpoint_parse(buf_view(&p->note), &p->checkpoint, &why) < 0) {
		place_over(p, ANCHOR_AWAY, (struct span){ NULL, 0 }, false,
			"the newest checkpoint of this journal cannot be parsed: %s",
			why ? why : "?");
		return;
	}
	if (p->shown.taken && p->shown.end == ANCHOR_TAKEN &&
		p->shown.size == p->checkpoint.size) {
		next_after(p); /* the place has this checkpoint already */
		return;
	}
	p->witness.again = false;
	pthread_mutex_lock(&p->all->lock);
	p->shown.asked_us = p->began_us;
	pthread_mutex_unlock(&p->all->lock);
	anchor_ways[p->at->kind](p);
}

/* ---- the thread ---- */

/* Returns true if an errand or a record is unfinished. */
static bool
has_unfinished_work(const struct anchors *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->place[i].errand || a->place[i].state == PLACE_RECORDS)
			return true;
	return false;
}

static void
on_stop(struct ev_loop *loop, ev_timer *w UNUSED, int revents UNUSED)
{
	ev_break(loop, EVBREAK_ALL);
}

static bool
anchors_woken(void *arg, bool stopping)
{
	struct anchors *a = TAGGED(anchors, arg);

	if (!stopping)
		return true;
	http_client_abort(a->http->client);
	for (size_t i = 0; i < a->n; i++)
		ev_timer_stop(a->http->loop, &a->place[i].due);
	bool ends = !has_unfinished_work(a);
	if (!ends && !ev_is_active(&a->stop))
		ev_timer_start(a->http->loop, &a->stop);
	return ends;
}

static void
anchors_destroy(struct anchors **ap)
{
	struct anchors *a = *ap;

	pool_free(&a->aside);
	http_thread_free(&a->http);
	for (size_t i = 0; i < a->n; i++) {
		struct place *p = &a->place[i];
		buf_free(&p->note);
		buf_free(&p->entry.fields);
		TS_REQ_free(p->query);
	}
	pthread_mutex_destroy(&a->lock);
	TAG_CLEAR(anchors, a);
	free(a);
	*ap = NULL;
}

void
anchors_stop(struct anchors **ap)
{
	struct anchors *a = *ap;

	if (!a)
		return;
	http_thread_stop(a->http);
	if (has_unfinished_work(a))
		*ap = NULL;
	else
		anchors_destroy(ap);
}

/* ---- start ---- */

int
anchors_files(const struct anchor_place *p, struct buf *why)
{
	struct pubkey keys[SIGNKEYS_MAX];
	const char *const pem[] = { p->ca, p->tls_ca };
	int n = 0;

	if (p->kind == ANCHOR_WITNESS &&
		(n = witness_keys(p->key, keys, SIGNKEYS_MAX, why)) < 0)
		return n;
	for (size_t i = 0; i < COUNT_OF(pem); i++) {
		X509_STORE *s = pem[i] ? X509_STORE_new() : NULL;
		bool ok = !pem[i] || (s && X509_STORE_load_file(s, pem[i]));
		X509_STORE_free(s);
		if (!ok)
			return why_err(why, ERR_SYNTAX,
				"%s: the file has no readable PEM certificate", pem[i]);
	}
	return 0;
}

/* Does not start the timer. A URL's query may have a secret, so it is not part of the name
 * that is shown. */
static void
place_init(struct anchors *a, struct place *p, const struct anchor_place *at)
{
	TAG(place, p);
	p->all = a;
	p->at = at;
	buf_init(&p->note, NOTE_MAX);
	buf_init(&p->entry.fields, CAP_RECORD_BYTES);
	size_t n = at->kind == ANCHOR_FILE ? strlen(at->place) : strcspn(at->place, "?");
	snprintf(p->name, sizeof(p->name), "%.*s", (int)n, at->place);
	ev_timer_init(&p->due, on_anchor_due, 0., 0.);
	p->due.data = p;
}

struct anchors *
anchors_start(const struct config *cfg, const struct anchors_audit *audit, struct metrics *m,
	struct buf *why)
{
	struct anchors *a = calloc(1, sizeof(*a) + cfg->nanchors * sizeof(a->place[0]));
	unsigned aside = 0;

	if (!a) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	TAG(anchors, a);
	a->cfg = cfg;
	a->audit = *audit;
	a->metrics = m;
	a->started_us = clock_mono_us();
	pthread_mutex_init(&a->lock, NULL);
	for (; a->n < cfg->nanchors; a->n++) {
		const struct anchor_place *at = &cfg->anchors[a->n];
		place_init(a, &a->place[a->n], at);
		aside += at->kind == ANCHOR_FILE || at->kind == ANCHOR_SYSLOG;
		if (anchors_files(at, why) < 0) {
			a->n++;
			anchors_destroy(&a);
			return NULL;
		}
	}
	a->http = http_thread_new(anchors_woken, a);
	if (a->http && aside)
		a->aside = pool_new(aside);
	if (a->http && (a->aside || !aside)) {
		ev_timer_init(&a->stop, on_stop, STOP_US / 1e6, 0.);
		for (size_t i = 0; i < a->n; i++)
			next_turn(&a->place[i], 0);
		if (http_thread_start(a->http, "tg-anchors") == 0)
			return a;
	}
	buf_str(why,
		"anchors: the thread cannot start: out of memory, threads or file descriptors");
	anchors_destroy(&a);
	return NULL;
}

/* ---- status, readiness, metrics ---- */

uint64_t anchors_hang_us = 2 * ANCHOR_DEADLINE_US;

/* Returns when the current attempt began, in monotonic µs, if it has exceeded
 * anchors_hang_us, for example because a disk or a resolver hangs. Returns 0 otherwise. Call
 * with the lock held. */
static uint64_t
hangs_since(const struct place *p)
{
	uint64_t asked = p->shown.asked_us;

	return asked && clock_mono_us() > asked + anchors_hang_us ? asked : 0;
}

void
anchors_status(struct anchors *a, struct buf *out)
{
	char when[CLOCK_SECOND_LEN];

	buf_putc(out, '[');
	for (size_t i = 0; a && i < a->n; i++) {
		struct place *p = &a->place[i];
		SCOPED_LOCK(&a->lock);
		bool hangs = hangs_since(p) != 0;
		json_put_open(out, NULL, '{');
		json_put_str(out, "kind", anchor_words[p->at->kind]);
		json_put_str(out, "place", p->name);
		json_put_str(out, "state",
			hangs		 ? end_words[ANCHOR_AWAY]
			: p->shown.tried ? end_words[p->shown.end]
					 : "waiting");
		if (p->shown.taken) {
			clock_second(p->shown.taken_ns, when);
			json_put_uint(out, "size", p->shown.size);
			json_put_str(out, "taken", when);
		}
		if (hangs || p->shown.why[0])
			json_put_str(out, "why", hangs ? NO_ANSWER_YET : p->shown.why);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

void
anchors_ready(struct anchors *a, struct buf *out)
{
	for (size_t i = 0; a && i < a->n; i++) {
		struct place *p = &a->place[i];
		SCOPED_LOCK(&a->lock);
		uint64_t hangs = hangs_since(p);
		if (hangs || (p->shown.tried && p->shown.end != ANCHOR_TAKEN))
			buf_printf(out, "anchor %s %s: %s for %" PRIu64 " s: %s\n",
				anchor_words[p->at->kind], p->name,
				end_words[hangs ? ANCHOR_AWAY : p->shown.end],
				(clock_mono_us() - (hangs ? hangs : p->shown.since_us)) /
					1000000,
				hangs ? NO_ANSWER_YET : p->shown.why);
	}
}

void
anchors_metrics(struct anchors *a, struct buf *out)
{
	if (!a || !a->n)
		return;
	metrics_head(out, "anchor_late_seconds", "gauge",
		"Seconds by which a place of anchors is late to accept a checkpoint.");
	for (size_t i = 0; i < a->n; i++) {
		struct place *p = &a->place[i];
		pthread_mutex_lock(&a->lock);
		uint64_t since = p->shown.taken ? p->shown.taken_us : a->started_us;
		pthread_mutex_unlock(&a->lock);
		uint64_t gone = clock_mono_us() - since, every = p->at->every_us;
		buf_printf(out, "tollgate_anchor_late_seconds{kind=\"%s\",place=",
			anchor_words[p->at->kind]);
		buf_json_str(out, span_str(p->name));
		buf_printf(out, "} %" PRIu64 "\n", gone > every ? (gone - every) / 1000000 : 0);
	}
}

/* Any bytes as a request to a witness, and as responses of witnesses and timestamp authorities.
 * Only checkpoints that the log's key signed are cosigned: those of the seeds. */
#include <openssl/pem.h>
#include <stdlib.h>

#include "base/codec/base64.h"
#include "base/err.h"
#include "base/log.h"
#include "record/anchors/place.h"
#include "record/anchors/witness.h"

/* The macros of cmocka that the rigs use. */
#define assert_true(x)	       INVARIANT(x)
#define assert_non_null(x)     INVARIANT((x) != NULL)
#define assert_int_equal(x, y) INVARIANT((x) == (y))
#define fail_msg(...)	       INVARIANT(false)
#include "support/log_rig.h"
#include "support/temp_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LEAVES = 8 }; /* the seeds' checkpoints have 1 to LEAVES leaves */

static struct witness *w;
static struct metrics metrics;
static struct buf genuine[LEAVES + 1], note;
static struct pubkey own;
static TS_REQ *query;

static void
clean_up(void)
{
	witness_close(&w);
	TS_REQ_free(query);
	for (int n = 0; n <= LEAVES; n++)
		buf_free(&genuine[n]);
	buf_free(&note);
	temp_dir_remove(NULL);
}

static void
build_once(void)
{
	static char key[192], pub[192], state[192];
	static struct witness_log log = { .origin = "tollgate/gw-1", .key = pub };
	static struct config cfg = { .witness_logs = &log,
		.nwitness_logs = 1,
		.witness_key = key,
		.witness_name = "w",
		.witness_state = state };
	struct log_rig l;
	struct buf why;

	if (w)
		return;
	log_setup(LOG_LOGFMT, LOG_ERROR);
	INVARIANT(temp_dir_make(NULL) == 0);
	buf_init(&why, 4096);
	snprintf(key, sizeof(key), "%s", path("w.key"));
	snprintf(pub, sizeof(pub), "%s", path("l.pub"));
	snprintf(state, sizeof(state), "%s", path("state"));
	INVARIANT(signkey_create(key, &own, &why) == 0);
	log_open(&l, "tollgate/gw-1", path("journal"), 1, pub);
	for (uint64_t n = 0; n <= LEAVES; n++) {
		struct merkle_hash root;
		buf_init(&genuine[n], 0);
		log_grow(&l, n, 0);
		merkle_root(&l.tiles.range, &root);
		checkpoint_text(&genuine[n], span_str(l.origin), n, &root);
	}
	buf_init(&note, 0);
	log_note(&l, &note);
	log_close(&l);
	query = tsa_query(buf_view(&note));
	w = witness_open(&cfg, NULL, &metrics, &why);
	INVARIANT(w && query);
	atexit(clean_up);
	buf_free(&why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct witness_request r;
	struct checkpoint c;
	struct buf out;
	const char *type, *why;
	uint64_t time = 0;

	build_once();
	buf_init(&out, 0);
	if (witness_add(w, text, &out, &type) == 200) {
		bool known = false;
		INVARIANT(witness_request_read(text, &r) == 0);
		INVARIANT(checkpoint_parse(r.note, &c, &why) == 0);
		for (int n = 0; n <= LEAVES; n++)
			known |= span_eq(c.text, buf_view(&genuine[n]));
		INVARIANT(known);
		/* The client must accept the witness's response. */
		INVARIANT(witness_cosignature(r.note, buf_view(&out), &own, 1, &time).n);
	}
	INVARIANT(witness_cosignature(buf_view(&note), text, &own, 1, &time).n == 0);
	buf_clear(&out);
	INVARIANT(tsa_verify(query, text, "/dev/null", &out) < 0);
	INVARIANT(out.n > 0);
	buf_free(&out);
	return 0;
}

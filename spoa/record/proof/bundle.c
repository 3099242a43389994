/* Writes and reads a record with its proof: see bundle.h. */
#include "record/proof/bundle.h"

#include <inttypes.h>

#include "base/codec/base64.h"
#include "base/err.h"
#include "base/why.h"

#define MAGIC "c2sp.org/tlog-proof@v1"

void
bundle_write(struct buf *out, struct span record, uint64_t index,
	const struct merkle_hash *proof, size_t n, struct span note)
{
	buf_str(out, BUNDLE_BEGIN);
	base64_put(out, record.p, record.n);
	buf_printf(out, "\n" MAGIC "\nindex %" PRIu64 "\n", index);
	for (size_t i = 0; i < n; i++) {
		base64_put(out, proof[i].b, sizeof(proof[i].b));
		buf_putc(out, '\n');
	}
	buf_putc(out, '\n');
	buf_span(out, note);
}

/* A cursor over the lines of the file. */
struct reader {
	struct span rest;
	unsigned at; /* number of the last line that was read, from 1 */
	struct buf *why;
};

static int
bad(struct reader *r, int err, const char *what)
{
	return why_err(r->why, err, "line %u: %s", r->at, what);
}

/* Reads the next line. Returns false if the file ends before a newline. */
static bool
next_line(struct reader *r, struct span *line)
{
	size_t end = span_chr(r->rest, '\n');

	r->at++;
	*line = span_cut(r->rest, 0, end);
	if (end == r->rest.n)
		return false;
	r->rest = span_cut(r->rest, end + 1, r->rest.n);
	return true;
}

static bool
take_word(struct span *line, const char *word)
{
	if (!span_starts(*line, span_str(word)))
		return false;
	*line = span_cut(*line, strlen(word), line->n);
	return true;
}

static int
read_record(struct reader *r, struct buf *out)
{
	struct span line;
	size_t n = 0;

	if (!next_line(r, &line) || !take_word(&line, BUNDLE_BEGIN))
		return bad(r, ERR_SYNTAX, "expected 'record BASE64'");
	char *to = buf_reserve(out, line.n / 4 * 3 + 3);
	if (!to || line.n / 4 * 3 > CHAIN_LINE_MAX)
		return bad(
			r, ERR_LIMIT, "the record is larger than a journal's records can be");
	if (base64_get(line, to, line.n / 4 * 3 + 3, &n) || n == 0)
		return bad(r, ERR_SYNTAX, "the record is not base64");
	buf_commit(out, n);
	return 0;
}

static int
read_proof(struct reader *r, struct bundle *out)
{
	struct span line;
	size_t n;

	if (!next_line(r, &line) || !span_is(line, MAGIC))
		return bad(r, ERR_SYNTAX, "expected '" MAGIC "'");
	bool more = next_line(r, &line);
	if (more && take_word(&line, "extra "))
		more = next_line(r, &line);
	if (!more || !take_word(&line, "index ") || span_u64(line, &out->index) ||
		(line.n > 1 && line.p[0] == '0'))
		return bad(r, ERR_SYNTAX, "expected 'index NUMBER'");
	for (out->nproof = 0;; out->nproof++) {
		if (!next_line(r, &line))
			return bad(r, ERR_SYNTAX,
				"the empty line before the checkpoint is missing");
		if (line.n == 0)
			return 0;
		if (out->nproof == MERKLE_PROOF_MAX)
			return bad(r, ERR_LIMIT, "there are more hashes than a proof can have");
		if (base64_get(line, out->proof[out->nproof].b, MERKLE_BYTES, &n) ||
			n != MERKLE_BYTES)
			return bad(r, ERR_SYNTAX, "expected a hash in base64");
	}
}

int
bundle_read(struct span file, struct bundle *out, struct buf *why)
{
	struct reader r = { .rest = file, .why = why };
	const char *said;

	if (file.n > BUNDLE_MAX)
		return bad(&r, ERR_LIMIT,
			"the file is larger than a record with its proof can be");
	int err = read_record(&r, &out->record);
	if (!err)
		err = read_proof(&r, out);
	if (err)
		return err;
	out->note = r.rest;
	err = checkpoint_parse(out->note, &out->checkpoint, &said);
	return err ? why_err(why, err, "checkpoint at line %u: %s", r.at + 1, said) : 0;
}

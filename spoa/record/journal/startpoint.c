/* Start checkpoints: writes and reads the file, and decides whether it is usable. recover.c
 * verifies the journal itself; this file only decides whether recover.c may begin in the
 * middle. */
#include "record/journal/startpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/among.h"
#include "base/codec/base64.h"
#include "base/codec/lines.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "base/stops.h"
#include "base/why.h"

#define HEADLINE "tollgate-start-v1"

void
startpoint_free(struct startpoint *p)
{
	buf_free(&p->keys);
	buf_free(&p->text);
	*p = (struct startpoint){ .offset = 0 };
}

int
startpoint_copy(struct startpoint *to, const struct startpoint *p)
{
	*to = *p;
	to->keys = to->text = (struct buf){ 0 };
	to->state = (struct span){ NULL, 0 };
	memcpy(to->last_type, p->type, sizeof(to->last_type));
	buf_span(&to->keys, buf_view(&p->keys));
	return buf_failed(&to->keys) ? ERR_NOMEM : 0;
}

/* ---- reading the journal's lines ---- */

/* Takes a record: its type, its key statement, and its position if it has the range of the
 * Merkle tree. */
static void
take_start_record(
	struct startpoint *p, const struct chain_line *l, uint64_t begin, struct span line)
{
	static const char range[] = "\"range\":[";
	struct key_statement s;

	span_copy(l->type, p->last_type, sizeof(p->last_type));
	if (span_is(l->type, "key") && key_statement_of(line, &s) == 0)
		key_statement_write(&p->keys, &s);
	if ((span_is(l->type, "checkpoint") || span_is(l->type, "boot")) &&
		memmem(line.p, line.n, range, sizeof(range) - 1)) {
		memcpy(p->tree_segment, p->segment, sizeof(p->tree_segment));
		p->tree_offset = begin;
	}
}

void
startpoint_line(struct startpoint *p, const char *segment, uint64_t begin, uint64_t end,
	struct span line)
{
	struct chain_line l;

	if (strcmp(p->segment, segment) != 0) {
		span_copy(span_str(segment), p->segment, sizeof(p->segment));
		p->offset = 0;
		buf_clear(&p->keys);
	}
	INVARIANT(begin < end && begin >= p->offset); /* lines arrive in order */
	if (chain_parse(line, &l)) {
		p->damaged = true;
	} else if (!l.commit) {
		take_start_record(p, &l, begin, line);
	} else {
		p->offset = end;
		p->at.boot = l.boot;
		p->at.seq = l.seq;
		span_copy(l.node, p->at.node, sizeof(p->at.node));
		memcpy(p->at.head, l.head, CHAIN_HASH_BYTES);
		span_copy(l.key, p->signer, sizeof(p->signer));
		memcpy(p->type, p->last_type, sizeof(p->type));
	}
}

/* ---- writing ---- */

/* Appends the text that is signed: HEADLINE, node and the SHA-256 of everything above the
 * line "sha256". */
static void
put_signed_text(struct buf *sign, struct span node, struct span above)
{
	unsigned char hash[SHA256_BYTES];

	sha256(above, hash);
	buf_printf(sign, HEADLINE " %.*s ", SPAN_ARG(node));
	buf_hex(sign, hash, sizeof(hash));
}

bool
startpoint_write(struct buf *out, const struct startpoint *p, struct buf *sign)
{
	char head[2 * CHAIN_HASH_BYTES + 1];

	if (p->damaged || !p->offset)
		return false;
	chain_hex(p->at.head, head);
	buf_printf(out,
		HEADLINE "\nnode %s\nsegment %s\noffset %" PRIu64 "\nboot %" PRIu64
			 "\nseq %" PRIu64 "\nhead %s\nsigner %s\ntype %s\ntree %s %" PRIu64
			 "\nnow %" PRId64 "\n",
		p->at.node, p->segment, p->offset, p->at.boot, p->at.seq, head, p->signer,
		p->type, p->tree_segment[0] ? p->tree_segment : "-", p->tree_offset, p->now_ms);
	buf_printf(out, "keys %zu\n", p->keys.n);
	buf_span(out, buf_view(&p->keys));
	buf_printf(out, "state %zu\n", p->state.n);
	buf_span(out, p->state);
	put_signed_text(sign, span_str(p->at.node), buf_view(out));
	struct span signs = buf_view(sign);
	buf_printf(out, "sha256 %.*s\n",
		SPAN_ARG(span_cut(signs, signs.n - 2 * SHA256_BYTES, signs.n)));
	return !buf_failed(out) && !buf_failed(sign) && !buf_failed(&p->keys);
}

void
startpoint_sign(struct buf *out, const char *id, const unsigned char sig[SIGNKEY_SIG_BYTES])
{
	buf_printf(out, "signature %s ", id);
	base64_put(out, sig, SIGNKEY_SIG_BYTES);
	buf_putc(out, '\n');
}

static bool
start_path(const char *dir, char out[JOURNAL_DIR_MAX + 16])
{
	struct span base = journal_folder(dir);

	return base.n < JOURNAL_DIR_MAX &&
	       snprintf(out, JOURNAL_DIR_MAX + 16, "%.*s" STARTPOINT_SUFFIX, SPAN_ARG(base)) >
		       0;
}

int
startpoint_place(const char *dir, struct span text, struct buf *why)
{
	char path[JOURNAL_DIR_MAX + 16];

	if (!start_path(dir, path))
		return why_err(why, ERR_LIMIT, "%s: the path is too long", dir);
	int fd = replace_begin(AT_FDCWD, path, 0600, why);
	if (fd < 0)
		return fd;
	stop_at("start-begun");
	SCOPED_FD(held, fd);
	int err = replace_write(held, path, text, why);
	stop_at("start-written");
	if (!err)
		err = replace_sync(held, path, why);
	stop_at("start-synced");
	if (err)
		replace_drop(AT_FDCWD, path);
	else
		err = replace_place(AT_FDCWD, path, held, why);
	stop_at("start-placed");
	return err;
}

/* ---- reading ---- */

/* A cursor over lines "NAME VALUE". `bad` is set at the first error; further reads then
 * return empty values. */
struct start_cursor {
	struct span rest;
	bool bad;
};

static struct span
start_value(struct start_cursor *c, const char *name)
{
	size_t n = strlen(name);
	struct span line = { NULL, 0 };

	if (span_chr(c->rest, '\n') == c->rest.n)
		c->bad = true;
	else
		line = span_next(&c->rest, '\n');
	if (line.n < n + 1 || memcmp(line.p, name, n) != 0 || line.p[n] != ' ')
		c->bad = true;
	return c->bad ? (struct span){ "", 0 } : span_cut(line, n + 1, line.n);
}

static uint64_t
start_number(struct start_cursor *c, const char *name)
{
	uint64_t n = 0;

	if (span_u64(start_value(c, name), &n) || n > INT64_MAX)
		c->bad = true;
	return c->bad ? 0 : n;
}

static void
start_text(struct start_cursor *c, const char *name, char *to, size_t size)
{
	struct span s = start_value(c, name);

	if (s.n == 0 || s.n >= size || memchr(s.p, '\0', s.n))
		c->bad = true;
	span_copy(c->bad ? SPAN_LIT("") : s, to, size);
}

/* Reads a line "NAME BYTES" and returns the bytes that follow it. */
static struct span
start_block(struct start_cursor *c, const char *name)
{
	uint64_t n = start_number(c, name);
	struct span s = { "", 0 };

	if (n > c->rest.n)
		c->bad = true;
	if (c->bad)
		return s;
	s = span_cut(c->rest, 0, (size_t)n);
	c->rest = span_cut(c->rest, (size_t)n, c->rest.n);
	return s;
}

/* Returns true if the name is that of a segment of this node. The name becomes part of a
 * path, so nothing else is accepted. */
static bool
names_segment(const char *name, const char *node)
{
	struct journal_segment s;

	return strchr(name, '/') == NULL && journal_name_read(name, &s) &&
	       strcmp(s.node, node) == 0;
}

static void
start_tree(struct start_cursor *c, struct startpoint *out)
{
	struct span rest = start_value(c, "tree"), name = span_next(&rest, ' ');
	bool none = span_is(name, "-");

	if (name.n >= sizeof(out->tree_segment) || span_u64(rest, &out->tree_offset) ||
		out->tree_offset > INT64_MAX)
		c->bad = true;
	if (!c->bad && !none)
		span_copy(name, out->tree_segment, sizeof(out->tree_segment));
	if (!none && !names_segment(out->tree_segment, out->at.node))
		c->bad = true;
}

int
startpoint_parse(struct span text, struct startpoint *out, struct buf *sign, struct span *id,
	unsigned char sig[SIGNKEY_SIG_BYTES])
{
	struct start_cursor c = { .rest = text };
	unsigned char hash[SHA256_BYTES], said[SHA256_BYTES];
	size_t n = 0;

	*out = (struct startpoint){ .offset = 0 };
	if (!span_is(span_next(&c.rest, '\n'), HEADLINE))
		return ERR_SYNTAX;
	start_text(&c, "node", out->at.node, sizeof(out->at.node));
	start_text(&c, "segment", out->segment, sizeof(out->segment));
	out->offset = start_number(&c, "offset");
	out->at.boot = start_number(&c, "boot");
	out->at.seq = start_number(&c, "seq");
	if (!chain_unhex(start_value(&c, "head"), out->at.head))
		c.bad = true;
	start_text(&c, "signer", out->signer, sizeof(out->signer));
	start_text(&c, "type", out->type, sizeof(out->type));
	start_tree(&c, out);
	out->now_ms = (int64_t)start_number(&c, "now");
	struct span keys = start_block(&c, "keys");
	out->state = start_block(&c, "state");
	struct span above = span_cut(text, 0, text.n - c.rest.n);
	if (!sha256_read(start_value(&c, "sha256"), said))
		c.bad = true;
	struct span rest = start_value(&c, "signature");
	*id = span_next(&rest, ' ');
	if (c.bad || c.rest.n || base64_get(rest, sig, SIGNKEY_SIG_BYTES, &n) ||
		n != SIGNKEY_SIG_BYTES || !names_segment(out->segment, out->at.node) ||
		out->offset == 0 || out->at.seq == 0)
		return ERR_SYNTAX;
	sha256(above, hash);
	if (memcmp(hash, said, sizeof(hash)) != 0)
		return ERR_SYNTAX;
	put_signed_text(sign, span_str(out->at.node), above);
	buf_span(&out->keys, keys);
	return buf_failed(&out->keys) || buf_failed(sign) ? ERR_NOMEM : 0;
}

/* Verifies the signature with the keys of the ring and those of the checkpoint's own
 * statements. */
static int
start_signed(const struct startpoint *p, const struct keyring *ring, struct span sign,
	struct span id, const unsigned char sig[SIGNKEY_SIG_BYTES], struct buf *why)
{
	struct span rest = buf_view(&p->keys);
	struct keyring *with = malloc(sizeof(*with));
	struct key_statement s;
	char unfit[KEYRING_WHY] = "";

	if (!with)
		return ERR_NOMEM;
	*with = *ring;
	while (key_statement_next(&rest, &s) > 0)
		keyring_take(with, &s);
	const struct pubkey *key =
		keyring_signer(with, p->at.node, id, p->at.seq, p->at.seq, unfit);
	bool good = key && pubkey_verify(key, sign, sig);
	free(with);
	if (good)
		return 0;
	return why_err(why, ERR_AUTH, "%s%s",
		key ? "the signature of the start checkpoint does not verify"
		    : "the start checkpoint is signed by ",
		unfit);
}

/* Returns true if `end`, the bytes before the offset, ends with the record that the
 * checkpoint names and its commit. The commit's signature is verified if the ring has its
 * key. If the ring does not have it, its key statement is in the part that is not read. */
static bool
ends_so(struct span end, const struct startpoint *p, const struct keyring *ring)
{
	unsigned char hash[CHAIN_HASH_BYTES];
	char whose[KEYRING_WHY];
	struct chain_line l;

	if (!end.n || end.p[end.n - 1] != '\n')
		return false;
	end.n--;
	size_t commit = span_behind(end, '\n');
	if (!commit || chain_parse(span_cut(end, commit, end.n), &l) || !l.commit ||
		l.seq != p->at.seq || l.boot != p->at.boot || !span_is(l.node, p->at.node) ||
		!span_is(l.key, p->signer) || memcmp(l.head, p->at.head, CHAIN_HASH_BYTES) != 0)
		return false;
	const struct pubkey *key =
		keyring_signer(ring, p->at.node, l.key, l.first, l.seq, whose);
	if (key && !pubkey_verify(key, l.signed_text, l.sig))
		return false;
	end.n = commit - 1;
	sha256(span_cut(end, span_behind(end, '\n'), end.n), hash);
	return memcmp(hash, p->at.head, CHAIN_HASH_BYTES) == 0;
}

/* Checks that the segment still has the record and its commit before the offset. */
static int
fits_segment(const struct startpoint *p, const char *dir, const struct keyring *ring,
	struct buf *why)
{
	enum { ROOM = CHAIN_LINE_MAX + 4096 };
	struct journal_segment s = { .form = JOURNAL_PLAIN };
	struct lines l = { 0 };

	snprintf(s.name, sizeof(s.name), "%s", p->segment);
	SCOPED_FD(fd, journal_segment_open(dir, &s));
	if (fd < 0)
		return why_err(
			why, ERR_NOTFOUND, "segment %s: %s", p->segment, strerror(errno));
	SCOPED_BUF(end, ROOM);
	uint64_t from = p->offset > ROOM ? p->offset - ROOM : 0;
	size_t n = (size_t)(p->offset - from);
	char *to = buf_reserve(&end, n);
	int err = to ? lines_open(&l, fd, 0) : ERR_NOMEM;
	while (!err && end.n < n) {
		ssize_t got = lines_pread(&l, to + end.n, n - end.n, from + end.n);
		if (got <= 0)
			err = ERR_TRUNCATED;
		else
			buf_commit(&end, (size_t)got);
	}
	if (to)
		lines_close(&l);
	if (!err && !ends_so(buf_view(&end), p, ring))
		err = ERR_AUTH;
	return err ? why_err(why, err,
			     "segment %s does not have record %" PRIu64
			     " and its commit before byte %" PRIu64,
			     p->segment, p->at.seq, p->offset)
		   : 0;
}

int
startpoint_load(struct startpoint *out, const char *dir, const char *node,
	const struct keyring *ring, struct buf *why)
{
	char path[JOURNAL_DIR_MAX + 16];
	unsigned char sig[SIGNKEY_SIG_BYTES];
	struct span id;
	struct buf text;

	*out = (struct startpoint){ .offset = 0 };
	if (!start_path(dir, path))
		return why_err(why, ERR_LIMIT, "%s: the path is too long", dir);
	SCOPED_FD(fd, open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND
				       : why_err(why, ERR_IO, "%s: %s", path, strerror(errno));
	SCOPED_BUF(sign, 512);
	buf_init(&text, STARTPOINT_MAX);
	int err = buf_fd(&text, fd);
	if (err)
		err = why_err(why, err, "%s", err_str(err));
	if (!err && (err = startpoint_parse(buf_view(&text), out, &sign, &id, sig)))
		err = why_err(why, err,
			"the start checkpoint is damaged or was written by another version");
	if (!err && strcmp(out->at.node, node) != 0)
		err = why_err(
			why, ERR_AUTH, "the start checkpoint belongs to node %s", out->at.node);
	if (!err)
		err = start_signed(out, ring, buf_view(&sign), id, sig, why);
	if (!err)
		err = fits_segment(out, dir, ring, why);
	out->text = text;
	return err;
}

/* tollgate audit export --follow and --position: continues an export where it stopped.
 *
 * The position is a small file that names, for each node, the last written record and its
 * hash. It is replaced as a whole. Since anyone may have written it, it is parsed with care.
 *
 * Only whole commits are exported, so that nothing is exported that a restart would cut
 * off. Each record must be the next one of its node and contain the hash of the record
 * before it. A missing record is looked for again in later turns; then it is an error,
 * never a silent gap. The output is synced before the position is saved. After kill -9, a
 * file (--out) is cut back to the length in the position, so that it holds each record
 * once. Standard output cannot be cut back: the records since the last position are written
 * again. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/why.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/export/export.h"
#include "record/archive/files.h"

/* Reads a member that is a whole number of 0 or more. */
static bool
position_number(const json_t *o, const char *name, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);

	*out = (uint64_t)json_integer_value(v);
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

static int
bad_position(struct buf *why, const char *what)
{
	return why_err(why, ERR_SYNTAX, "%s", what);
}

int
export_position_read(struct span text, struct export_position *out, struct buf *why)
{
	json_auto_t *o = text.n <= EXPORT_POSITION_MAX
				 ? json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL)
				 : NULL;
	json_t *nodes = json_object_get(o, "nodes"), *file = json_object_get(o, "file"), *v;
	const char *format = json_text_in(o, "format"), *node;

	*out = (struct export_position){ .n = 0 };
	if (!json_is_object(o) || json_int_in(o, "v") != 1)
		return bad_position(why, "the file is not the position of an export");
	if (!format[0] || strlen(format) >= sizeof(out->format))
		return bad_position(why, "format is missing");
	memcpy(out->format, format, strlen(format) + 1);
	if (!json_is_object(nodes) || json_object_size(nodes) > EXPORT_NODES_MAX)
		return bad_position(why, "nodes is missing or has too many entries");
	json_object_foreach(nodes, node, v)
	{
		struct export_reached *r = &out->at[out->n];
		if (!chain_node_valid(span_str(node)) || !position_number(v, "seq", &r->seq) ||
			!r->seq || !chain_unhex(json_span(json_object_get(v, "hash")), r->hash))
			return bad_position(why, "nodes: a name, seq or hash is invalid");
		memcpy(r->node, node, strlen(node) + 1);
		out->n++;
	}
	out->file = json_is_object(file);
	if (out->file ? !position_number(file, "device", &out->device) ||
				!position_number(file, "inode", &out->inode) ||
				!position_number(file, "bytes", &out->bytes)
		      : !json_is_null(file))
		return bad_position(why, "file is missing or invalid");
	return 0;
}

void
export_position_write(const struct export_position *p, struct buf *out)
{
	char hex[2 * SHA256_BYTES + 1];

	json_put_form(out, "{'v':1,'format':%s,'nodes':{", p->format);
	for (size_t i = 0; i < p->n; i++) {
		chain_hex(p->at[i].hash, hex);
		json_put_name(out, p->at[i].node);
		json_put_form(out, "{'seq':%u,'hash':%s}", p->at[i].seq, hex);
	}
	json_put_close(out, '}');
	if (p->file)
		json_put_form(out, "'file':{'device':%u,'inode':%u,'bytes':%u}", p->device,
			p->inode, p->bytes);
	else
		json_put_null(out, "file");
	buf_str(out, "}\n");
}

#define SAVE_US 1000000 /* microseconds; the position is saved at least this often */

unsigned export_tries = 25;
uint64_t export_save_bytes = 1u << 20;

/* The state of a continued export. Owned by export_follow(). */
struct follow {
	struct export *e;
	struct query_feeds feeds;
	struct export_position p;
	bool moved; /* the position has changed since it was saved */
	/* the file of the position */
	int dirfd, lock;
	const char *name;
	uint64_t saved_us, saved_bytes; /* time and bytes of the last saving */
	/* The first missing record; tries 0: none is missing. */
	struct {
		char node[CHAIN_NODE_MAX + 1], how[160];
		uint64_t from, to;
		unsigned tries;
		bool now; /* found in this turn */
	} gap;
	uint64_t seen[EXPORT_NODES_MAX]; /* for each node of p, the last record that the
					  * journal has */
};

/* ---- the position ---- */

static struct export_reached *
reached_of_node(struct follow *f, struct span node, bool make)
{
	for (size_t i = 0; i < f->p.n; i++)
		if (span_is(node, f->p.at[i].node))
			return &f->p.at[i];
	if (!make || f->p.n == EXPORT_NODES_MAX) {
		if (make)
			export_failed(f->e,
				cmd_fail(EXPORT_WHAT, "the records have more than %d "
						      "nodes, which is the limit", EXPORT_NODES_MAX));
		return NULL;
	}
	struct export_reached *r = &f->p.at[f->p.n++];
	*r = (struct export_reached){ .seq = 0 };
	snprintf(r->node, sizeof(r->node), "%.*s", SPAN_ARG(node));
	return r;
}

/* Locks the position, so that only one export uses it. Returns 0, or an exit code after a
 * message. */
static int
lock_position(struct follow *f)
{
	char name[EXPORT_NAME_MAX + 16];

	snprintf(name, sizeof(name), "%s.lock", f->name);
	f->lock = openat(f->dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->lock < 0)
		return cmd_fail(EXPORT_WHAT, "%s: %s", name, strerror(errno));
	if (flock(f->lock, LOCK_EX | LOCK_NB) < 0)
		return cmd_fail(EXPORT_WHAT, "%s: another export uses this position: wait "
					     "until it ends, or name another file",
			f->e->position);
	return 0;
}

static int
load_position(struct follow *f)
{
	const char *format = f->e->format->name;
	int code = 0;

	SCOPED_BUF(text, EXPORT_POSITION_MAX);
	SCOPED_BUF(why, 4096);
	snprintf(f->p.format, sizeof(f->p.format), "%s", format);
	if (cmd_read_file(f->e->position, &text) == 0) {
		if (export_position_read(buf_view(&text), &f->p, &why))
			code = cmd_fail(EXPORT_WHAT,
				"%s: %.*s: restore the file, or remove it to begin again",
				f->e->position, SPAN_ARG(buf_view(&why)));
		else if (strcmp(f->p.format, format) != 0)
			code = cmd_fail(EXPORT_WHAT, "%s: this position belongs to --format %s", f->e->position,
				f->p.format);
	} else if (errno != ENOENT || buf_failed(&text)) {
		code = cmd_fail(EXPORT_WHAT, "%s: %s", f->e->position,
			buf_failed(&text) ? "too long" : strerror(errno));
	}
	return code;
}

/* Syncs the output and then saves the position. Returns 0, or an exit code after a message. */
static int
save_position(struct follow *f)
{
	struct export_out *o = &f->e->out;
	uint64_t was = f->p.bytes;
	int code = export_out_write(o, true), err = 0;

	f->saved_us = clock_mono_us();
	f->saved_bytes = o->bytes;
	if (code || !f->e->position)
		return code;
	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 4096);
	if (f->p.file) {
		err = replace_sync(o->fd, o->name, &why);
		f->p.bytes = (uint64_t)lseek(o->fd, 0, SEEK_CUR);
	}
	if (err)
		code = cmd_fail(EXPORT_WHAT, "%s: %.*s", f->e->path, SPAN_ARG(buf_view(&why)));
	export_position_write(&f->p, &text);
	if (!code && files_put(f->dirfd, f->name, buf_view(&text), &why))
		code = cmd_fail(
			EXPORT_WHAT, "%s: %.*s", f->e->position, SPAN_ARG(buf_view(&why)));
	f->p.bytes = code ? was : f->p.bytes;
	f->moved = code != 0;
	return code;
}

/* ---- the output file ---- */

/* Opens the file and cuts it back to the position. If it is another file, because the old
 * one was rotated, records are appended. Each write goes to the end of the file, because a
 * program may empty the file (copytruncate). */
static int
open_followed(struct follow *f)
{
	struct export_out *o = &f->e->out;
	const char *path = f->e->path;
	struct stat st;

	if (o->dirfd < 0)
		o->dirfd = export_folder(path, &o->name);
	if (o->dirfd < 0)
		return EXIT_CANNOT;
	o->fd = openat(
		o->dirfd, o->name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (o->fd < 0 || fstat(o->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cmd_fail(EXPORT_WHAT, "%s: %s", path,
			o->fd < 0 ? strerror(errno) : "not a file");
	uint64_t size = (uint64_t)st.st_size;
	if (f->p.file && f->p.device == (uint64_t)st.st_dev &&
		f->p.inode == (uint64_t)st.st_ino) {
		if (size < f->p.bytes)
			fprintf(stderr,
				"tollgate: " EXPORT_WHAT
				": %s: is shorter than its position states: another program "
				"truncated it\n",
				path);
		else if (ftruncate(o->fd, (off_t)f->p.bytes) < 0)
			return cmd_fail(EXPORT_WHAT, "%s: %s", path, strerror(errno));
		size = size < f->p.bytes ? size : f->p.bytes;
	}
	if (lseek(o->fd, (off_t)size, SEEK_SET) < 0)
		return cmd_fail(EXPORT_WHAT, "%s: %s", path, strerror(errno));
	o->bytes = size;
	f->p.file = true;
	f->p.device = (uint64_t)st.st_dev;
	f->p.inode = (uint64_t)st.st_ino;
	if (!size && f->e->format->begin)
		f->e->format->begin(&o->text);
	/* Saves the position before the first record, so that a later start cuts off
	 * everything after it. */
	return save_position(f);
}

static int
open_out(struct follow *f)
{
	struct export *e = f->e;
	int code = e->path ? 0 : export_out_open(&e->out, NULL);

	if (!e->path) {
		f->p.file = false;
		if (!code && e->format->begin && !f->p.n)
			e->format->begin(&e->out.text);
		return code;
	}
	e->out = (struct export_out){ .fd = -1, .dirfd = -1, .path = e->path };
	buf_init(&e->out.text, 0);
	sha256_begin(&e->out.hash);
	return open_followed(f);
}

/* Detects that the file was rotated: further records are written to a new file, or to the
 * emptied one. */
static int
look_after_file(struct follow *f)
{
	struct export_out *o = &f->e->out;
	struct stat st;

	if (!f->p.file || (fstatat(o->dirfd, o->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
				  (uint64_t)st.st_ino == f->p.inode &&
				  (uint64_t)st.st_dev == f->p.device &&
				  st.st_size >= lseek(o->fd, 0, SEEK_CUR)))
		return 0;
	int code = save_position(f);
	close(o->fd);
	o->fd = -1;
	return code ? code : open_followed(f);
}

/* ---- records ---- */

static const char another[] = "are others here: the position belongs to another journal";

static void
note_gap(struct follow *f, const char *node, uint64_t from, uint64_t to, const char *how)
{
	if (!f->gap.now) {
		snprintf(f->gap.node, sizeof(f->gap.node), "%s", node);
		snprintf(f->gap.how, sizeof(f->gap.how), "%s", how);
		f->gap.from = from;
		f->gap.to = to;
	}
	f->gap.now = true;
}

/* Returns true if the record is the next one of its node. Returns false if it was exported
 * before, or if a record before it is missing. */
static bool
is_next(struct follow *f, struct query_feed *feed, struct export_reached *r,
	const struct chain_line *l)
{
	if (l->seq <= r->seq)
		return false;
	if (r->seq &&
		(l->seq != r->seq + 1 || memcmp(l->prev, r->hash, sizeof(r->hash)) != 0)) {
		bool other = l->seq == r->seq + 1;
		bool give_up = f->e->skip_missing && f->gap.tries >= export_tries;
		if (!give_up) {
			note_gap(f, feed->at.node, r->seq + (other ? 0 : 1), l->seq - 1,
				other ? another : "are not here");
			feed->stale = true;
			return false;
		}
		fprintf(stderr,
			"tollgate: " EXPORT_WHAT ": %s: records %" PRIu64 " to %" PRIu64
			" are missing and left out (--skip-missing)\n",
			r->node, r->seq + 1, l->seq - 1);
		f->gap.tries = 0;
	}
	return true;
}

/* Returns true if the record with the number of the last exported one has another hash. */
static bool
is_another(struct follow *f, struct query_feed *feed, const struct export_reached *r,
	const struct chain_line *l, struct span line)
{
	unsigned char hash[SHA256_BYTES];

	if (l->seq != r->seq || f->e->skip_missing)
		return false;
	sha256(line, hash);
	if (memcmp(hash, r->hash, sizeof(hash)) == 0)
		return false;
	note_gap(f, feed->at.node, r->seq, r->seq, another);
	feed->stale = true;
	return true;
}

static void
commit_followed(struct follow *f, struct query_feed *feed, const struct chain_line *by,
	struct span commit_line)
{
	struct export *e = f->e;
	struct span rest = buf_view(&e->pending);
	struct export_reached *r = reached_of_node(f, by->node, true);
	struct chain_line l;
	bool last_out = false;

	while (r && rest.n && !e->code && !feed->stale) {
		struct span line = span_next(&rest, '\n');
		last_out = false;
		if (chain_parse(line, &l) || l.commit || !span_eq(l.node, by->node) ||
			l.seq < by->first || l.seq > by->seq) {
			e->strange++;
			continue;
		}
		uint64_t *seen = &f->seen[r - f->p.at];
		*seen = l.seq > *seen ? l.seq : *seen;
		if (is_another(f, feed, r, &l, line))
			continue;
		if (!is_next(f, feed, r, &l))
			continue;
		if (export_wanted(e, line)) {
			export_put(e, line, &l);
			last_out = l.seq == by->seq;
		}
		r->seq = l.seq;
		sha256(line, r->hash);
		f->moved = true;
	}
	/* JSON lines include the commits, so that the file can be verified */
	if (last_out && !e->format->json && !e->filtered) {
		buf_span(&e->out.text, commit_line);
		buf_putc(&e->out.text, '\n');
	}
	buf_clear(&e->pending);
	feed->good = feed->lines.offset;
	if (!e->code && e->out.bytes - f->saved_bytes >= export_save_bytes)
		export_failed(f->e, save_position(f));
}

static void
take_fed_line(void *arg, struct query_feed *feed, struct span line)
{
	struct follow *f = arg;
	struct chain_line l;

	if (f->e->code || feed->stale)
		return;
	if (chain_parse(line, &l) == 0 && l.commit) {
		commit_followed(f, feed, &l, line);
		return;
	}
	buf_span(&f->e->pending, line);
	buf_putc(&f->e->pending, '\n');
	if (buf_failed(&f->e->pending))
		export_failed(f->e,
			cmd_fail(EXPORT_WHAT,
				"%s: not records of tollgate: a commit is missing for too long",
				feed->at.name));
}

/* Records that no commit covers are read again in the next turn, because a restart may cut
 * them off and write others. */
static void
at_end(void *arg, struct query_feed *feed)
{
	struct follow *f = arg;

	if (f->e->pending.n && !feed->stale)
		feed->lines.offset = feed->good;
	buf_clear(&f->e->pending);
}

/* Returns true if the next record of the node is in a later segment. */
static bool
went_out(void *arg, const struct journal_segment *s, const struct journal_segment *next)
{
	struct follow *f = arg;
	const struct export_reached *r = reached_of_node(f, span_str(s->node), false);

	return r && r->seq ? next->first <= r->seq + 1
			   : query_ended_before(&f->e->from, f->feeds.dir, s, next);
}

/* ---- turns ---- */

static int
follow_turn(struct follow *f)
{
	f->gap.now = false;
	int code = look_after_file(f);

	code = code ? code : query_feeds_turn(&f->feeds);
	/* An older copy of the journal was restored: the following records have numbers
	 * that were exported already. */
	for (size_t i = 0; i < f->p.n && !f->e->skip_missing; i++)
		if (f->seen[i] && f->seen[i] < f->p.at[i].seq)
			note_gap(f, f->p.at[i].node, f->seen[i] + 1, f->p.at[i].seq,
				"were exported and are not here: this is an older copy of "
				"the journal");
	code = code ? code : f->e->code;
	code = code ? code : export_out_write(&f->e->out, true);
	bool over = !f->feeds.follow || f->gap.tries == export_tries;
	if (!code && f->moved && (over || clock_mono_us() - f->saved_us >= SAVE_US))
		code = save_position(f);
	if (!f->gap.now)
		f->gap.tries = 0;
	else if (++f->gap.tries > export_tries && !code)
		code = cmd_fail(EXPORT_WHAT,
			"%s: records %" PRIu64 " to %" PRIu64" %s. If they were trimmed, "
			"restore them with tollgate audit restore; to continue without "
			"them, add --skip-missing",
			f->gap.node, f->gap.from, f->gap.to, f->gap.how);
	return code;
}

int
export_follow(struct export *e, bool follow)
{
	const struct timespec pause = { 0, QUERY_POLL_NS };
	struct follow *f = calloc(1, sizeof(*f));
	int code = 0;

	if (!f)
		return cmd_fail(EXPORT_WHAT, "out of memory");
	*f = (struct follow){ .e = e,
		.feeds = { .what = EXPORT_WHAT,
			.dir = e->from.journal,
			.follow = follow,
			.arg = f,
			.line = take_fed_line,
			.end = at_end,
			.passed = went_out },
		.dirfd = -1,
		.lock = -1 };
	e->out = (struct export_out){ .fd = -1, .dirfd = -1 };
	if (e->position) {
		f->dirfd = export_folder(e->position, &f->name);
		code = f->dirfd < 0 ? EXIT_CANNOT : lock_position(f);
		code = code ? code : load_position(f);
	}
	code = code ? code : open_out(f);
	if (follow && !code)
		reading_follows();
	while (!code) {
		code = follow_turn(f);
		if (code || (!follow && !f->gap.now))
			break;
		nanosleep(&pause, NULL);
	}
	/* Bytes after the position are cut off, so that no half line remains. */
	if (code && f->p.file && e->out.fd >= 0 &&
		lseek(e->out.fd, 0, SEEK_END) > (off_t)f->p.bytes &&
		ftruncate(e->out.fd, (off_t)f->p.bytes) < 0)
		cmd_fail(EXPORT_WHAT, "%s: %s", e->path, strerror(errno));
	if (!code && e->strange) {
		cmd_fail(EXPORT_WHAT,
			"%" PRIu64 " lines were left out, because they are not records",
			e->strange);
		code = EXIT_NO;
	}
	query_feeds_free(&f->feeds);
	scoped_fd_close(&f->dirfd);
	scoped_fd_close(&f->lock);
	export_out_close(&e->out);
	free(f);
	return code;
}

/* tollgate audit export: exports records, of a period or all, as they are in the journal.
 *
 * The export waits for whole commits, since only a commit signs the records before it. Each
 * record is then selected by itself. With --out, a signed manifest states what the file
 * contains, and FILE.policies gets the texts of the policies that the records name. No
 * manifest lists these texts: a text's name contains its SHA-256, and a signed record of
 * type `policy` contains the same hash.
 *
 * The output is standard output, or a file. A file is written under a temporary name and gets
 * its own name only when it is complete. The daemon signs its manifest with the journal's key
 * and records that; or the key in a file signs it.
 *
 * --follow and --position continue an export where it stopped. The position is a small file that
 * names, for each node, the last written record and its hash. It is replaced as a whole. Since
 * anyone may have written it, it is parsed with care. Only whole commits are exported, so that
 * nothing is exported that a restart would cut off. Each record must be the next one of its node
 * and contain the hash of the record before it. A missing record is looked for again in later
 * turns; then it is an error, never a silent gap. The output is synced before the position is
 * saved. After kill -9, a file (--out) is cut back to the length in the position, so that it
 * holds each record once. Standard output cannot be cut back: the records since the last
 * position are written again. */
#include "cmd/export/export.h"

#include <dirent.h>
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
#include "cmd/daemon/admin.h"
#include "cmd/daemon/reading.h"
#include "policy/config/config.h"
#include "record/archive/files.h"
#include "record/archive/kept_policy.h"

/* ---- the output ---- */

#define MUCH (256u << 10)

/* Opens the folder of a path and sets *name to the file's name in it. Returns the
 * descriptor, or a negative value after a message. */
static int
export_folder(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];

	*name = slash ? slash + 1 : path;
	snprintf(dir, sizeof(dir), "%.*s",
		slash == path ? 1
		: slash	      ? (int)(slash - path)
			      : 1,
		slash ? path : ".");
	if (!**name || strlen(*name) > EXPORT_NAME_MAX - 16) {
		cmd_fail(EXPORT_WHAT, "%s: give the name of a file", path);
		return -1;
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		cmd_fail(EXPORT_WHAT, "%s: %s", dir, strerror(errno));
	return fd;
}

int
export_out_open(struct export_out *o, const char *path)
{
	char manifest[EXPORT_NAME_MAX + 16];
	int code = 0;

	*o = (struct export_out){ .fd = STDOUT_FILENO, .dirfd = -1, .path = path };
	buf_init(&o->text, 0);
	sha256_begin(&o->hash);
	if (!path)
		return 0;
	o->dirfd = export_folder(path, &o->name);
	if (o->dirfd < 0)
		return EXIT_CANNOT;
	/* an existing export is never replaced, because it may be evidence that someone
	 * already holds */
	snprintf(manifest, sizeof(manifest), "%s.manifest", o->name);
	if (faccessat(o->dirfd, o->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
		faccessat(o->dirfd, manifest, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return cmd_fail(EXPORT_WHAT,
			"%s: the file or its manifest already exists and is not "
			"overwritten: name another file",
			path);
	SCOPED_BUF(why, 4096);
	o->fd = replace_begin(o->dirfd, o->name, 0600, &why);
	if (o->fd < 0)
		code = cmd_fail(EXPORT_WHAT, "%s: %.*s", path, SPAN_ARG(buf_view(&why)));
	o->begun = o->fd >= 0;
	return code;
}

int
export_out_write(struct export_out *o, bool all)
{
	struct span s = buf_view(&o->text);
	int code = 0;

	if (buf_failed(&o->text))
		return cmd_fail(EXPORT_WHAT, "out of memory");
	if (!s.n || (!all && s.n < MUCH))
		return 0;
	SCOPED_BUF(why, 4096);
	sha256_add(&o->hash, s);
	o->bytes += s.n;
	if (o->dirfd >= 0 && files_write(o->fd, s, &why))
		code = cmd_fail(EXPORT_WHAT, "%s: %.*s", o->path, SPAN_ARG(buf_view(&why)));
	while (o->dirfd < 0 && s.n && !code) {
		ssize_t n = write(o->fd, s.p, s.n);
		if (n < 0 && errno != EINTR)
			code = cmd_fail(
				EXPORT_WHAT, "cannot write the output: %s", strerror(errno));
		s = span_cut(s, n > 0 ? (size_t)n : 0, s.n);
	}
	buf_clear(&o->text);
	return code;
}

void
export_out_close(struct export_out *o)
{
	if (o->dirfd >= 0 && o->begun)
		replace_drop(o->dirfd, o->name);
	if (o->dirfd >= 0)
		scoped_fd_close(&o->fd);
	scoped_fd_close(&o->dirfd);
	buf_free(&o->text);
	*o = (struct export_out){ .fd = -1, .dirfd = -1 };
}

/* ---- the manifest ---- */

static json_t *
time_or_null(const char *s)
{
	return s[0] ? json_string(s) : json_null();
}

static json_t *
terms_of(const struct export *e)
{
	json_t *terms = json_object();

	for (enum record_term t = 0; t < RT_SEARCHED; t++) {
		const struct search_want *w = &e->q.want[t];
		json_t *values = w->n ? json_array() : NULL;
		for (size_t i = 0; i < w->n; i++)
			json_array_append_new(values, json_string(w->value[i]));
		if (values)
			json_object_set_new(terms, record_terms[t].name, values);
	}
	return terms;
}

static json_t *
chains_of(const struct export *e)
{
	json_t *chains = json_array();
	char head[2 * SHA256_BYTES + 1];

	for (size_t i = 0; i < e->nchains; i++) {
		const struct export_chain *c = &e->chain[i];
		struct span note = buf_view(&c->note);
		if (!c->records)
			continue;
		chain_hex(c->head, head);
		json_array_append_new(chains,
			json_pack("{s:s,s:I,s:I,s:I,s:s,s:o}", "node", c->node, "first",
				(json_int_t)c->first, "last", (json_int_t)c->last, "records",
				(json_int_t)c->records, "head", head, "checkpoint",
				note.n ? json_loadb(note.p, note.n, JSON_DECODE_ANY, NULL)
				       : json_null()));
	}
	return chains;
}

/* Returns the manifest as JSON. The member `format` comes first, so that nobody can take
 * the signature for one of a commit (record/proof/export.h). */
static char *
object_of(const struct export *e, const unsigned char hash[SHA256_BYTES])
{
	char hex[2 * SHA256_BYTES + 1], made[CLOCK_RFC3339_LEN];

	chain_hex(hash, hex);
	clock_rfc3339(clock_wall_ns(), made);
	json_auto_t *o = json_pack("{s:s,s:s,s:o,s:o,s:o,s:{s:s,s:I,s:s},s:I,s:O,s:o}",
		"format", e->format->name, "made", made, "since", time_or_null(e->from.since),
		"until", time_or_null(e->from.until), "terms", terms_of(e), "file", "name",
		e->out.name, "bytes", (json_int_t)e->out.bytes, "sha256", hex, "records",
		(json_int_t)e->records, "types", e->types, "chains", chains_of(e));
	return o ? json_dumps(o, JSON_COMPACT) : NULL;
}

static int
open_key(const struct export *e, struct signkey *key)
{
	SCOPED_BUF(why, 8192);
	return signkey_open(e->key, e->passphrase, false, key, &why)
		       ? cmd_fail(EXPORT_WHAT, "--sign-key: %.*s", SPAN_ARG(buf_view(&why)))
		       : 0;
}

int
export_signer_there(struct export *e)
{
	struct signkey key = { .pub = { .id = "" } };
	int code;

	if (e->key) {
		code = open_key(e, &key);
		signkey_wipe(&key);
		return code;
	}
	const char *socket = admin_socket(EXPORT_WHAT, e->from.config, &e->from.arena);
	const struct admin_call call = { .socket = socket, .page = "/healthz" };
	SCOPED_BUF(answer, ADMIN_ANSWER_BYTES);
	code = socket && admin_ask_or_say(EXPORT_WHAT, &call, &answer) == 200 ? 0 : EXIT_CANNOT;
	if (code)
		cmd_fail(EXPORT_WHAT, "the running daemon signs the manifest of --out, and "
				      "it does not respond: start it, or give a key with "
				      "--sign-key FILE");
	return code;
}

static int
ask_daemon(struct export *e, const char *object, struct buf *out)
{
	json_auto_t *in = json_pack("{s:s}", "object", object);
	int code = EXIT_CANNOT;
	json_auto_t *answer =
		in ? admin_call_json(EXPORT_WHAT, e->from.config, "/audit/export", in, &code)
		   : NULL;

	if (answer) {
		buf_str(out, json_text_in(answer, "manifest"));
		code = out->n ? 0
			      : cmd_fail(EXPORT_WHAT,
					"the daemon's response has no manifest: check that "
					"daemon and program have the same version");
	}
	return code;
}

/* Makes the signed manifest of the exported records. Returns 0 with the line in *out, or an
 * exit code after a message. */
static int
export_manifest(struct export *e, const unsigned char hash[SHA256_BYTES], struct buf *out)
{
	char *object = object_of(e, hash);
	struct signkey key = { .pub = { .id = "" } };
	int code = 0;

	SCOPED_BUF(why, 4096);
	json_auto_t *o = object ? export_object(span_str(object), &why) : NULL;
	if (!o)
		code = cmd_fail(EXPORT_WHAT, "the manifest cannot be made: %.*s",
			SPAN_ARG(
				why.n ? buf_view(&why)
				      : SPAN_LIT("a name is not UTF-8, or memory is exhausted")));
	else if (!e->key)
		code = ask_daemon(e, object, out);
	else if (!(code = open_key(e, &key)))
		export_sign(out, span_str(object), &key);
	if (e->key)
		signkey_wipe(&key);
	free(object);
	return code;
}

/* ---- facts for the manifest ---- */

static void
export_note_policy(struct export *e, struct span line)
{
	struct span version = span_trim(chain_member(line, "policy_version"), "\"");

	if (version.n >= 16 && e->policies && !json_object_getn(e->policies, version.p, 16))
		json_object_setn_new(e->policies, version.p, 16, json_false());
}

static int
copy_text(int from, int to, const char *name, struct buf *why)
{
	SCOPED_FD(fd, files_open(from, name, why));
	SCOPED_FD(copy, fd < 0 ? -1 : files_copy(fd, to, name, NULL, why));

	return fd < 0	  ? fd
	       : copy < 0 ? copy
			  : replace_place(to, name, copy, why);
}

/* Copies the texts of one journal, and marks their versions as copied. */
static int
copy_texts_of(struct export *e, const char *journal, int to, struct buf *why)
{
	char version[17], hash[KEPT_POLICY_HEX];
	int err = 0;

	SCOPED_BUF(folder, 0);
	kept_policy_folder(journal, &folder);
	DIR *d = opendir(folder.p);
	for (const struct dirent *f; d && !err && (f = readdir(d));)
		if (kept_policy_name_read(f->d_name, version, hash) &&
			json_object_get(e->policies, version)) {
			json_object_set_new(e->policies, version, json_true());
			err = copy_text(dirfd(d), to, f->d_name, why);
		}
	if (d)
		closedir(d);
	return err;
}

static int
export_policies(struct export *e)
{
	const char *version;
	const json_t *copied;

	if (!e->from.journal || !json_object_size(e->policies))
		return 0;
	SCOPED_BUF(folder, 0);
	SCOPED_BUF(why, 4096);
	kept_policy_folder(e->path, &folder);
	SCOPED_FD(to, files_folder(folder.p, &why));
	int err = to < 0 ? to : copy_texts_of(e, e->from.journal, to, &why);
	for (size_t i = 0; i < e->from.nbeside && !err; i++)
		err = copy_texts_of(e, e->from.beside[i]->journal, to, &why);
	if (err)
		return cmd_fail(EXPORT_WHAT, "%.*s", SPAN_ARG(buf_view(&why)));
	json_object_foreach(e->policies, version, copied)
		if (!json_is_true(copied))
			fprintf(stderr,
				"tollgate: " EXPORT_WHAT ": the text of policy version %s is not "
				"kept on this machine, so it is not exported\n",
				version);
	return 0;
}

#define SLACK_NS      (3600ll * 1000000000)
#define PENDING_BYTES (256u << 20) /* more bytes without a commit are no commit that a daemon
				    * wrote */

/* Sets the exit code to `code`, unless an earlier failure set it. A `code` of 0 changes
 * nothing. */
static void
export_failed(struct export *e, int code)
{
	if (code && !e->code)
		e->code = code;
}

/* ---- selection ---- */

static bool
export_wanted(const struct export *e, struct span line)
{
	if ((e->from.since[0] || e->from.until[0]) &&
		!audit_time_within(line, e->from.since, e->from.until))
		return false;
	return !e->filtered || search_fits(&e->q, &line, 1);
}

static struct export_chain *
chain_of(struct export *e, struct span node)
{
	for (size_t i = 0; i < e->nchains; i++)
		if (span_is(node, e->chain[i].node))
			return &e->chain[i];
	if (e->nchains == EXPORT_CHAINS_MAX) {
		export_failed(
			e, cmd_fail(EXPORT_WHAT, "the records have more than %d nodes, "
						 "which is the limit", EXPORT_CHAINS_MAX));
		return NULL;
	}
	struct export_chain *c = &e->chain[e->nchains++];
	snprintf(c->node, sizeof(c->node), "%.*s", SPAN_ARG(node));
	buf_init(&c->note, 0);
	return c;
}

void
export_count(
	struct export *e, const struct chain_line *l, const unsigned char hash[SHA256_BYTES])
{
	struct export_chain *c = chain_of(e, l->node);
	json_t *n = json_object_getn(e->types, l->type.p, l->type.n);

	if (!c)
		return;
	e->records++;
	c->records++;
	c->first = !c->first || l->seq < c->first ? l->seq : c->first;
	if (l->seq >= c->last) {
		c->last = l->seq;
		memcpy(c->head, hash, SHA256_BYTES);
	}
	json_object_setn_new(
		e->types, l->type.p, l->type.n, json_integer(json_integer_value(n) + 1));
}

/* Exports the record if it is selected. */
static void
export_put(struct export *e, struct span line, const struct chain_line *l)
{
	struct export_record r = { .line = line, .l = l };
	unsigned char hash[SHA256_BYTES];
	json_auto_t *json = NULL;

	sha256(line, hash);
	chain_hex(hash, r.hash);
	/* a path may contain NUL */
	if (e->format->json && !(json = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL))) {
		e->strange++;
		return;
	}
	r.json = json;
	if (e->octets) {
		SCOPED_BUF(one, 0);
		e->format->record(&one, &r);
		buf_printf(&e->out.text, "%zu ", one.n);
		buf_span(&e->out.text, buf_view(&one));
	} else {
		e->format->record(&e->out.text, &r);
		buf_str(&e->out.text, e->format->end);
	}
	reading_add(1);
	export_count(e, l, hash);
	export_note_policy(e, line);
	export_failed(e, export_out_write(&e->out, false));
}

static void
put_export_line(struct export *e, struct span line)
{
	buf_span(&e->out.text, line);
	buf_putc(&e->out.text, '\n');
	export_failed(e, export_out_write(&e->out, false));
}

/* ---- commits ---- */

/* Returns true if the whole chain is exported as it is. Lines that are no records are then
 * exported too, so that the receiver's verification finds them. */
static bool
export_whole(const struct export *e)
{
	return !e->format->json && !e->filtered && !e->from.since[0] && !e->from.until[0];
}

/* Exports the records of a commit, and any other lines between them. */
static void
commit_window(struct export *e, const struct chain_line *by, struct span commit_line)
{
	struct span rest = buf_view(&e->pending);
	struct chain_line l;
	bool last_out = false;

	while (rest.n && !e->code) {
		struct span line = span_next(&rest, '\n');
		bool ours = chain_parse(line, &l) == 0 && !l.commit &&
			    span_eq(l.node, by->node) && l.seq >= by->first && l.seq <= by->seq;
		last_out = false;
		struct span note = ours && span_is(l.type, "checkpoint")
					   ? chain_member(line, "note")
					   : (struct span){ NULL, 0 };
		struct export_chain *c = note.n ? chain_of(e, l.node) : NULL;
		if (c) {
			buf_clear(&c->note);
			buf_span(&c->note, note);
		}
		if (ours && export_wanted(e, line)) {
			export_put(e, line, &l);
			last_out = l.seq == by->seq;
		} else if (!ours && export_whole(e)) {
			put_export_line(e, line);
		} else if (!ours) {
			e->strange++;
		}
	}
	/* For a period, export the commits that sign the last exported record so far. */
	if (!e->format->json && !e->filtered && (export_whole(e) || last_out))
		put_export_line(e, commit_line);
	buf_clear(&e->pending);
}

/* Returns true if the record of this node is in another journal than the pending lines: the
 * journals of several daemons are read one segment after the other. */
static bool
begins_journal(const struct export *e, struct span node)
{
	struct span first = buf_view(&e->pending);
	struct chain_line l;
	char was[CHAIN_NODE_MAX + 1], is[CHAIN_NODE_MAX + 1];

	if (!e->from.nbeside || chain_parse(span_next(&first, '\n'), &l) || span_eq(l.node, node))
		return false;
	span_copy(l.node, was, sizeof(was));
	span_copy(node, is, sizeof(is));
	return strcmp(query_journal_of(&e->from, was), query_journal_of(&e->from, is)) != 0;
}

static void
take_export_line(void *arg, struct span line)
{
	struct export *e = arg;
	struct chain_line l;

	if (e->code)
		return;
	bool known = chain_parse(line, &l) == 0;
	if (known && e->pending.n && begins_journal(e, l.node))
		buf_clear(&e->pending); /* the end of the journal before; no commit covers it yet */
	if (known && l.commit) {
		commit_window(e, &l, line);
		return;
	}
	buf_span(&e->pending, line);
	buf_putc(&e->pending, '\n');
}

/* ---- the whole export ---- */

/* The manifest is signed first, so that no file exists without a manifest. */
int
export_place(struct export *e)
{
	unsigned char hash[SHA256_BYTES];
	char name[EXPORT_NAME_MAX + 16], hex[2 * SHA256_BYTES + 1];
	struct export_manifest parsed;

	SCOPED_BUF(line, EXPORT_MANIFEST_MAX);
	SCOPED_BUF(why, 4096);
	sha256_end(&e->out.hash, hash);
	chain_hex(hash, hex);
	snprintf(name, sizeof(name), "%s.manifest", e->out.name);
	int code = export_manifest(e, hash, &line), err = 0;
	SCOPED_FD(fd, code ? -1 : replace_begin(e->out.dirfd, name, 0600, &why));
	if (!code) {
		err = fd < 0 ? fd : replace_sync(e->out.fd, e->out.name, &why);
		err = err ? err : files_write(fd, buf_view(&line), &why);
		err = err ? err : replace_sync(fd, name, &why);
		/* Both files are on the disk; only their names are missing. */
		err = err ? err : replace_place(e->out.dirfd, e->out.name, e->out.fd, &why);
		e->out.begun = err != 0;
		err = err ? err : replace_place(e->out.dirfd, name, fd, &why);
	}
	if (err)
		replace_drop(e->out.dirfd, name);
	if (err)
		code = cmd_fail(EXPORT_WHAT, "%s: %.*s", e->path, SPAN_ARG(buf_view(&why)));
	if (!code && export_manifest_parse(buf_view(&line), &parsed, &why) == 0)
		printf("exported file=%s records=%" PRIu64 " bytes=%" PRIu64
		       " sha256=%s manifest=%s.manifest key=%.*s\n",
			e->path, e->records, e->out.bytes, hex, e->path, SPAN_ARG(parsed.key));
	return code;
}

/* ---- continuing ---- */

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

/* ---- followed records ---- */

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
went_out(void *arg, const char *dir, const struct journal_segment *s,
	const struct journal_segment *next)
{
	struct follow *f = arg;
	const struct export_reached *r = reached_of_node(f, span_str(s->node), false);

	return r && r->seq ? next->first <= r->seq + 1
			   : query_ended_before(&f->e->from, dir, s, next);
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

/* Exports from the position on; with `follow`, until the command is ended. Returns an exit
 * code. */
static int
export_follow(struct export *e, bool follow)
{
	const struct timespec pause = { 0, QUERY_POLL_NS };
	struct follow *f = calloc(1, sizeof(*f));
	int code = 0;

	if (!f)
		return cmd_fail(EXPORT_WHAT, "out of memory");
	*f = (struct follow){ .e = e,
		.feeds = { .what = EXPORT_WHAT,
			.follow = follow,
			.arg = f,
			.line = take_fed_line,
			.end = at_end,
			.passed = went_out },
		.dirfd = -1,
		.lock = -1 };
	f->feeds.ndirs = query_journals(&e->from, f->feeds.dir);
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

/* ---- the command ---- */

static int
run_export(struct export *e)
{
	int code = e->path ? export_signer_there(e) : 0;

	code = code ? code : export_out_open(&e->out, e->path);
	if (!code && e->format->begin)
		e->format->begin(&e->out.text);
	if (!code)
		code = query_run(&e->from);
	code = code ? code : e->code;
	if (!code && buf_failed(&e->pending))
		code = cmd_fail(EXPORT_WHAT,
			"not records of tollgate: a commit is missing for too long");
	code = code ? code : export_out_write(&e->out, true);
	if (!code && e->path)
		code = export_policies(e);
	if (!code && e->path)
		code = export_place(e);
	if (!code && e->pending.n)
		fprintf(stderr,
			"tollgate: " EXPORT_WHAT ": %zu bytes after the last commit are not "
			"signed yet and were left out\n",
			e->pending.n);
	if (!code && e->strange) {
		cmd_fail(EXPORT_WHAT,
			"%" PRIu64 " lines were left out, because no commit covers them "
			"or they are not records: tollgate audit verify names the first",
			e->strange);
		code = EXIT_NO;
	}
	export_out_close(&e->out);
	return code;
}

/* ---- the command line ---- */

static int
choose_format(struct export *e, const char *name)
{
	e->format = &export_formats[0];
	for (size_t i = 0; name && i < export_formats_count; i++)
		if (!strcmp(name, export_formats[i].name))
			e->format = &export_formats[i];
	if (name && strcmp(name, e->format->name) != 0)
		return cmd_fail(EXPORT_WHAT,
			"--format %s: give jsonl, csv, ocsf or syslog", name);
	if (e->octets && !e->format->with_octets)
		return cmd_fail(EXPORT_WHAT, "--octets needs --format syslog");
	return 0;
}

/* Rejects options that cannot be combined. Returns 0, or an exit code after a message. */
static int
check_together(const struct export *e, bool follow)
{
	if ((follow || e->position) && (e->from.redis || e->from.file))
		return cmd_fail(EXPORT_WHAT, "--follow and --position read a journal: omit "
					     "--redis and --file");
	if (follow && e->from.until[0])
		return cmd_fail(EXPORT_WHAT, "--follow cannot be combined with an end such "
					     "as --until");
	if (follow && e->path && !e->position)
		return cmd_fail(EXPORT_WHAT,
			"--follow --out needs --position FILE, which keeps the place to "
			"continue");
	if (e->position && e->key)
		return cmd_fail(
			EXPORT_WHAT, "--sign-key signs a manifest, and an export with "
				     "--position has none: omit one of them");
	if (!e->position && e->skip_missing)
		return cmd_fail(EXPORT_WHAT, "--skip-missing needs --position");
	if (e->key && !e->path)
		return cmd_fail(EXPORT_WHAT, "--sign-key signs the manifest of --out: give "
					     "--out FILE");
	if (e->from.file && (e->from.journal || e->from.redis))
		return cmd_fail(EXPORT_WHAT, "--file cannot be combined with --journal or "
					     "--redis");
	return 0;
}

static bool
is_one(const struct stat *x, const struct stat *y)
{
	return x->st_dev == y->st_dev && x->st_ino == y->st_ino;
}

/* Rejects a file of --out or --position in the journal's folder, and one file for both. */
static int
check_places(const struct export *e)
{
	const char *const files[] = { e->path, e->position };
	const char *const options[] = { "out", "position" };
	const char *name[COUNT_OF(files)] = { NULL };
	struct stat folder[COUNT_OF(files)], journal;

	for (size_t i = 0; i < COUNT_OF(files); i++) {
		if (!files[i])
			continue;
		SCOPED_FD(fd, export_folder(files[i], &name[i]));
		if (fd < 0)
			return EXIT_CANNOT;
		if (fstat(fd, &folder[i]) < 0)
			return cmd_fail(EXPORT_WHAT, "%s: %s", files[i], strerror(errno));
		if (e->from.journal && stat(e->from.journal, &journal) == 0 &&
			is_one(&folder[i], &journal))
			return cmd_fail(EXPORT_WHAT,
				"--%s %s: is in the journal's folder: name a file in "
				"another folder", options[i],
				files[i]);
	}
	if (name[0] && name[1] && !strcmp(name[0], name[1]) && is_one(&folder[0], &folder[1]))
		return cmd_fail(EXPORT_WHAT, "--out and --position name the same file: %s", e->path);
	return 0;
}

int
audit_export(int argc, char **argv)
{
	struct export e = {
		.from = { .what = EXPORT_WHAT,
			/* segments are skipped by their first times, and a clock may have
			 * been set */
			.slack_ns = SLACK_NS,
			.evidence = true,
			.arg = &e,
			.line = take_export_line }
	};
	struct query *q = &e.from;
	struct search_given given = { .n = { 0 } };
	const char *format = NULL, *shares = NULL, *keys[SIGNKEYS_MAX];
	const char *journals[QUERY_JOURNALS_MAX];
	size_t nkeys = 0;
	bool follow = false;
	enum { OWN = 19 };
	struct cmd_option options[OWN + RT_SEARCHED + 1] = {
		QUERY_SOURCE(q),
		/* keys for all nodes; an exported record is not verified here */
		{ "public-key", .text = keys, .count = &nkeys, .most = SIGNKEYS_MAX },
		{ "format", .text = &format },
		{ "octets", .flag = &e.octets },
		{ "between", .text = &q->said_between },
		QUERY_TIMES(q),
		{ "zone", .text = &q->said_zone },
		{ "out", .text = &e.path },
		{ "shares", .text = &shares },
		{ "sign-key", .text = &e.key },
		{ "passphrase-file", .text = &e.passphrase },
		{ "follow", .flag = &follow },
		{ "position", .text = &e.position },
		{ "skip-missing", .flag = &e.skip_missing },
	};
	char **operands;

	search_options(options + OWN, &given);
	int rest = cmd_options(EXPORT_WHAT, argc, argv, options, &operands), code;
	if (rest < 0 || rest > (q->said_between && !strstr(q->said_between, "..")))
		return cmd_usage("audit export");
	q->said_end = rest ? operands[0] : NULL;
	code = query_times(q);
	buf_init(&e.pending, PENDING_BYTES);
	e.types = json_object();
	e.policies = json_object();
	e.chain = calloc(EXPORT_CHAINS_MAX, sizeof(*e.chain));
	if (!e.chain || !e.types || !e.policies)
		code = cmd_fail(EXPORT_WHAT, "out of memory");
	code = code ? code : choose_format(&e, format);
	code = code ? code : search_read_wants(q, &e.q, &given);
	for (enum record_term i = 0; i < RT_SEARCHED; i++)
		e.filtered |= e.q.want[i].n > 0;
	code = code ? code : check_together(&e, follow);
	code = code ? code : query_begin(q, options, operands, rest);
	code = code ? code
		    : search_add_pseudonyms(q, &e.q, shares, journals,
			      query_journals(q, journals));
	code = code ? code : check_places(&e);
	if (!code)
		code = follow || e.position ? export_follow(&e, follow) : run_export(&e);
	for (size_t i = 0; i < e.nchains; i++)
		buf_free(&e.chain[i].note);
	free(e.chain);
	json_decref(e.types);
	json_decref(e.policies);
	buf_free(&e.pending);
	return query_end(q, code);
}

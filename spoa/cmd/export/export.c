/* tollgate audit export: exports records, of a period or all, as they are in the journal.
 *
 * The export waits for whole commits, since only a commit signs the records before it. Each
 * record is then selected by itself. With --out, a signed manifest states what the file
 * contains, and FILE.policies gets the texts of the policies that the records name. No
 * manifest lists these texts: a text's name contains its SHA-256, and a signed record of
 * type `policy` contains the same hash. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/export/export.h"
#include "record/archive/files.h"
#include "record/archive/kept_policy.h"

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
	if (!err && e->from.beside)
		err = copy_texts_of(e, e->from.beside, to, &why);
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

void
export_failed(struct export *e, int code)
{
	if (code && !e->code)
		e->code = code;
}

/* ---- selection ---- */

bool
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

void
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

static void
take_export_line(void *arg, struct span line)
{
	struct export *e = arg;
	struct chain_line l;

	if (e->code)
		return;
	if (chain_parse(line, &l) == 0 && l.commit) {
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
		    : search_add_pseudonyms(q, &e.q, shares, &q->journal, q->journal ? 1 : 0);
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

/* tollgate audit export: the records of a time window, cells that a spreadsheet treats as data,
 * changed manifests, and positions: after a kill, cut, or of another journal. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "cmd/export/export.h"
#include "record/archive/files.h"
#include "support/proof_rig.h"

static struct pubkey signer;

static int
run(const char *what)
{
	return audit("export --journal %s %s", at("journal"), what);
}

static int
begin(void **state)
{
	struct buf why;

	setup(state);
	export_tries = 2;
	export_save_bytes = 4096;
	buf_init(&why, 4096);
	assert_int_equal(signkey_create(at("sign.key"), &signer, &why), 0);
	buf_free(&why);
	return 0;
}

static size_t
count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* ---- cells ---- */

static void
cell_is_data_to_a_spreadsheet(void **state)
{
	static const struct {
		const char *name, *in, *want;
	} cells[] = {
		{ "a text is quoted", "alice", "\"alice\"" },
		{ "quotes are doubled", "a\"b", "\"a\"\"b\"" },
		{ "an equals sign", "=1+1", "\"'=1+1\"" },
		{ "a plus sign", "+1", "\"'+1\"" },
		{ "a minus sign", "-1", "\"'-1\"" },
		{ "an at sign", "@SUM(A1)", "\"'@SUM(A1)\"" },
		{ "a tab", "\t=1", "\"'\t'=1\"" },
		{ "a carriage return", "\r=1", "\"'\r'=1\"" },
		{ "a newline", "\n=1", "\"'\n'=1\"" },
		{ "spaces before it", "  =1", "\"'  =1\"" },
		{ "spaces and a tab before it", " \t=1", "\" \t'=1\"" },
		{ "in a list", "a,=1,b", "\"a,'=1,b\"" },
		{ "after what another program separates by", "x;=1|@2", "\"x;'=1|'@2\"" },
		{ "after a quote that ends the cell too early", "x\",=1", "\"x\"\",'=1\"" },
		{ "on a further line", "x\r\n-1", "\"x\r\n'-1\"" },
		{ "its wide form", "\uff1d1", "\"'\uff1d1\"" },
		{ "inside a word it is left", "a=b-c", "\"a=b-c\"" },
		{ "what is no text at all", "a\x01\x7f", "\"a??\"" },
		{ "what is no UTF-8", "a\xff", "\"a\ufffd\"" },
		{ "nothing", "", "\"\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cells); i++) {
		struct buf cell;
		buf_init(&cell, 0);
		export_cell(&cell, span_str(cells[i].in));
		if (!span_is(buf_view(&cell), cells[i].want))
			fail_msg("%s: %.*s", cells[i].name, SPAN_ARG(buf_view(&cell)));
		buf_free(&cell);
	}
}

/* Returns the number of rows and the cells of each, by RFC 4180; -1: invalid. */
static int
csv_rows(const char *p, size_t cells[], size_t max)
{
	int rows = 0;

	for (; *p; rows++) {
		size_t n = 1;
		for (;;) {
			if (*p == '"') {
				for (p++; *p && (*p != '"' || p[1] == '"'); p++)
					p += *p == '"';
				if (*p++ != '"')
					return -1;
			} else {
				p += strcspn(p, ",\"\r\n");
			}
			if (*p == ',') {
				n++;
				p++;
			} else if (p[0] == '\r' && p[1] == '\n') {
				p += 2;
				break;
			} else {
				return -1;
			}
		}
		if ((size_t)rows < max)
			cells[rows] = n;
	}
	return rows;
}

static void
hostile_name_stays_in_its_cell(void **state)
{
	size_t cells[16];

	(void)state;
	chain_build_boot(&b);
	chain_build_record(&b,
		"\"type\":\"decision\",\"id\":\"x\",\"decision\":\"deny\",\"status\":403,"
		"\"identity\":{\"person\":\"=cmd|' /C "
		"calc'!A0\",\"roles\":[\"-a\",\"b\\r\\n\\\",=c\"]},"
		"\"classes\":[\"pii\"],\"model\":\"a]\\\"b\\\\\\n\\u0000\"");
	chain_build_commit(&b);
	write_journal(buf_view(&b.out));
	assert_exit(run("--format csv"), EXIT_DONE);
	assert_int_equal(csv_rows(out, cells, 16), 3);
	assert_int_equal(cells[0], cells[1]);
	assert_int_equal(cells[0], cells[2]);
	assert_out("\"'=cmd|'");
	assert_out("\"'-a,b\r\n\"\",'=c\"");
	assert_exit(run("--format syslog --type decision"), EXIT_DONE);
	assert_out("<108>1 2027-01-15T08:00:00.001000Z gw-1 tollgate 1 decision "
		   "[tollgate@32473 seq=\"2\" hash=\"");
	assert_out(" model=\"a\\]\\\"b\\\\??\"");
	assert_int_equal(count(out, "\n"), 1);
	assert_exit(run("--format syslog --octets --type decision"), EXIT_DONE);
	assert_int_equal(strtoul(out, NULL, 10), strlen(strchr(out, ' ') + 1));
	assert_exit(run("--format ocsf --type decision"), EXIT_DONE);
	assert_out("\"class_uid\":2004");
	assert_out("\"uid\":\"gw-1/2\"");
	/* A caller who sends a NUL is shown nevertheless. */
	assert_exit(audit("list --journal %s", at("journal")), EXIT_DONE);
	assert_out(" deny   403 ");
	assert_out(" x\n");
	assert_exit(
		audit("search --journal %s --decision deny --json", at("journal")), EXIT_DONE);
	assert_out("\"id\":\"x\"");
}

/* ---- a report of the same records ---- */

static void
report_sums_any_numbers_and_names(void **state)
{
	char fields[256];

	(void)state;
	chain_build_boot(&b);
	for (int i = 0; i < 2; i++)
		chain_build_record(&b, "\"type\":\"read\",\"read\":\"audit "
				       "list\",\"peer\":{\"user\":\"root\"},"
				       "\"after\":{\"records\":9223372036854775807}");
	for (int i = 0; i < 100; i++) {
		snprintf(fields, sizeof(fields),
			"\"type\":\"anchor\",\"kind\":\"file\",\"place\":\"p\",\"result\":\"r%"
			"d\"",
			i);
		chain_build_record(&b, fields);
	}
	chain_build_commit(&b);
	write_journal(buf_view(&b.out));
	assert_exit(audit("report --journal %s", at("journal")), EXIT_DONE);
	assert_out("root: audit list: times 2, records 9223372036854775807,");
	assert_out("file p: r0 1, r1 1, ");
	assert_out(", (other) 70\n");
}

/* ---- windows ---- */

/* Asserts that the sequence numbers of a jsonl export begin at `first` and have no gap. Returns
 * their number. */
static uint64_t
records_from(uint64_t first)
{
	struct span rest = span_str(out);
	struct chain_line l;

	while (rest.n) {
		assert_int_equal(chain_parse(span_next(&rest, '\n'), &l), 0);
		if (l.commit)
			continue;
		assert_int_equal(l.seq, first);
		first++;
	}
	return first;
}

static void
adjacent_windows_have_each_record_once(void **state)
{
	char what[256];
	static const int cuts[] = { 0, 17, 18, 41, 63,
		1000 }; /* ms: the time of record n is n - 1 */
	uint64_t next = 1;
	int whole = 0;

	(void)state;
	build(30);
	write_journal(buf_view(&b.out));
	assert_exit(run(""), EXIT_DONE);
	assert_true(span_is(buf_view(&b.out), out)); /* unchanged */
	for (size_t i = 0; i + 1 < COUNT_OF(cuts); i++) {
		snprintf(what, sizeof(what),
			"--since 2027-01-15T08:00:%02d.%03dZ --until "
			"2027-01-15T08:00:%02d.%03dZ",
			cuts[i] / 1000, cuts[i] % 1000, cuts[i + 1] / 1000, cuts[i + 1] % 1000);
		assert_exit(run(what), EXIT_DONE);
		uint64_t first = next;
		next = records_from(next);
		/* The window verifies on its own, except for an end within a commit. */
		put_file("w", span_str(out));
		snprintf(what, sizeof(what),
			"verify --file %s --from %" PRIu64 " --public-key %s", at("w"), first,
			at("key.pub"));
		if (audit("%s", what) == EXIT_NO)
			assert_out("why=\"unsigned: no commit follows the record\"");
		else
			whole++;
	}
	assert_int_equal(next, b.chain.seq + 1);
	assert_int_equal(whole, 3);
	assert_exit(run("--type completion --id r7 --format jsonl"), EXIT_DONE);
	assert_int_equal(count(out, "\n"), 1);
	assert_out("\"id\":\"r7\"");
	assert_exit(run("--since 2028-01-01"), EXIT_DONE);
	assert_string_equal(out, "");
	assert_exit(run("--format xml"), EXIT_CANNOT);
	assert_err("give jsonl, csv, ocsf or syslog");
	assert_exit(run("--octets"), EXIT_CANNOT);
	assert_exit(run("--follow --until 2028-01-01"), EXIT_CANNOT);
}

static void
uncommitted_records_are_not_exported(void **state)
{
	(void)state;
	build(3);
	chain_build_record(&b, "\"type\":\"decision\",\"id\":\"late\"");
	write_journal(buf_view(&b.out));
	assert_exit(run("--format csv"), EXIT_DONE);
	assert_null(strstr(out, "late"));
	assert_err("are not signed yet and were left out");
}

static void
invalid_line_is_reported(void **state)
{
	(void)state;
	build(3);
	write_journal(buf_view(&b.out));
	char cmd[512];
	snprintf(cmd, sizeof(cmd), "cd '%s' && sed -i '4i junk' *.jsonl", at("journal"));
	assert_int_equal(system(cmd), 0);
	assert_exit(run("--format csv"), EXIT_NO);
	assert_err("1 lines were left out");
	assert_exit(run(""),
		EXIT_DONE); /* the whole export is unchanged, so that it can be verified */
	assert_out("junk\n");
}

/* ---- manifests ---- */

static int
hand_over(const char *format)
{
	char what[512];

	snprintf(what, sizeof(what), "--format %s --out %s --sign-key %s", format, at("e"),
		at("sign.key"));
	return run(what);
}

static int
verify_manifest(const char *more)
{
	return audit("verify --manifest %s --public-key %s --public-key %s %s",
		at("e.manifest"), at("sign.key.pub"), at("key.pub"), more);
}

static void
change(const char *name, const char *from, const char *to)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd),
		"cp '%s' '%s.was'; sed -i '0,/%s/s//%s/' '%s'; ! cmp -s '%s' '%s.was'",
		at(name), at(name), from, to, at(name), at(name), at(name));
	assert_int_equal(system(cmd), 0);
}

static void
restore(const char *name)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "mv '%s.was' '%s'", at(name), at(name));
	assert_int_equal(system(cmd), 0);
}

static void
manifest_shows_what_was_changed(void **state)
{
	static const char *const formats[] = { "jsonl", "csv", "ocsf", "syslog" };
	char other[300];

	(void)state;
	build(20);
	write_journal(buf_view(&b.out));
	for (size_t i = 0; i < COUNT_OF(formats); i++) {
		unlink(at("e"));
		unlink(at("e.manifest"));
		assert_exit(hand_over(formats[i]), EXIT_DONE);
		assert_out("exported file=");
		assert_exit(verify_manifest(""), EXIT_DONE);
		assert_out(formats[i]);
		assert_out(" gw-1=1-");
		change("e", "r3", "r4");
		assert_exit(verify_manifest(""), EXIT_NO);
		assert_out("has another SHA-256");
		assert_int_equal(truncate(at("e"), 100), 0);
		assert_exit(verify_manifest(""), EXIT_NO);
		assert_out("has 100 bytes, the manifest has");
		restore("e");
		change("e.manifest", "\"records\":", "\"records\":1");
		assert_exit(verify_manifest(""), EXIT_NO);
		assert_out("bad signature: the manifest was changed");
		restore("e.manifest");
	}
	snprintf(other, sizeof(other), "--file %s", at("none"));
	assert_exit(verify_manifest(other), EXIT_NO);
	assert_out("missing: ");
	assert_exit(
		audit("verify --manifest %s --public-key %s", at("e.manifest"), at("key.pub")),
		EXIT_NO);
	assert_out("wrong key: none of the given keys is");
	assert_exit(audit("verify --manifest %s --public-key %s", at("e.manifest"),
			    at("sign.key.pub")),
		EXIT_NO);
	assert_out("its checkpoint is signed by none of the keys");
	put_file("e.manifest", SPAN_LIT("{\"v\":1,\"commit\":{}}"));
	assert_exit(verify_manifest(""), EXIT_NO);
	assert_out("not the manifest of an export");
	assert_exit(audit("verify --manifest %s --public-key %s", at("none"), at("key.pub")),
		EXIT_CANNOT);
}

/* A dishonest owner of the key can sign false claims. For JSON lines, verification detects
 * them. */
static void
manifest_with_false_claims_is_detected(void **state)
{
	struct export_manifest m;
	struct signkey key;
	struct buf file, why, lie;
	char text[EXPORT_MANIFEST_MAX];

	(void)state;
	build(20);
	write_journal(buf_view(&b.out));
	assert_exit(hand_over("jsonl"), EXIT_DONE);
	struct span s = slurp("e.manifest", text, sizeof(text));
	buf_init(&why, 4096);
	buf_init(&file, 0);
	buf_init(&lie, 0);
	assert_int_equal(export_manifest_parse(s, &m, &why), 0);
	const char *last = memmem(m.object.p, m.object.n, "\"last\":", 7);
	assert_non_null(last);
	buf_span(&lie, span_of(m.object.p, (size_t)(last + 7 - m.object.p)));
	buf_putc(&lie, '9');
	buf_span(&lie, span_of(last + 7, (size_t)(m.object.p + m.object.n - last - 7)));
	assert_int_equal(signkey_load(at("sign.key"), &key, &why), 0);
	export_sign(&file, buf_view(&lie), &key);
	put_file("e.manifest", buf_view(&file));
	assert_exit(verify_manifest(""), EXIT_NO);
	assert_out("other records than the manifest states");
	/* Only the claim about types is false. */
	buf_clear(&lie);
	buf_clear(&file);
	last = memmem(m.object.p, m.object.n, "\"types\":{", 9);
	assert_non_null(last);
	buf_span(&lie, span_of(m.object.p, (size_t)(last + 9 - m.object.p)));
	buf_str(&lie, "\"alarm\":1,");
	buf_span(&lie, span_of(last + 9, (size_t)(m.object.p + m.object.n - last - 9)));
	export_sign(&file, buf_view(&lie), &key);
	put_file("e.manifest", buf_view(&file));
	assert_exit(verify_manifest(""), EXIT_NO);
	assert_out("types: the file has other records than the manifest states");
	/* A name with characters that a terminal would interpret. */
	snprintf(
		text, sizeof(text), "--out %s --sign-key %s", at("e\u202egpj"), at("sign.key"));
	assert_exit(run(text), EXIT_DONE);
	assert_exit(audit("verify --manifest %s --public-key %s --public-key %s",
			    at("e\u202egpj.manifest"), at("key.pub"), at("sign.key.pub")),
		EXIT_DONE);
	assert_out("/e?gpj format=jsonl ");
	buf_free(&why);
	buf_free(&file);
	buf_free(&lie);
}

static void
no_file_is_overwritten_or_left_incomplete(void **state)
{
	(void)state;
	build(20);
	write_journal(buf_view(&b.out));
	put_file("e" REPLACE_SUFFIX, SPAN_LIT("of one that was killed"));
	assert_exit(hand_over("csv"), EXIT_DONE);
	assert_int_equal(access(at("e" REPLACE_SUFFIX), F_OK), -1);
	assert_exit(hand_over("csv"), EXIT_CANNOT);
	assert_err("already exists and is not overwritten");
	unlink(at("e"));
	assert_exit(hand_over("csv"), EXIT_CANNOT);
	assert_err("the file or its manifest already exists");
	unlink(at("e.manifest"));
	char what[512];
	snprintf(what, sizeof(what), "--out %s --sign-key %s", at("e"), at("key.pub"));
	assert_exit(run(what), EXIT_CANNOT); /* refused before all records are read */
	assert_int_equal(access(at("e"), F_OK), -1);
	assert_int_equal(access(at("e" REPLACE_SUFFIX), F_OK), -1);
}

/* ---- positions ---- */

static int
go_on(const char *more)
{
	char what[512];

	snprintf(what, sizeof(what), "--position %s --out %s %s", at("p"), at("o"), more);
	return run(what);
}

static void
assert_file_is(const char *name, struct span want)
{
	struct buf got;

	buf_init(&got, 0);
	assert_true(buf_file(&got, at(name)));
	if (!span_eq(buf_view(&got), want))
		fail_msg("%s: %zu bytes, %zu are wanted", name, got.n, want.n);
	buf_free(&got);
}

static void
record_is_exported_once_despite_kills(void **state)
{
	char line[1024];
	int status, kills = 0;

	(void)state;
	build(700);
	write_journal(buf_view(&b.out));
	for (unsigned i = 0; i < 60; i++) {
		snprintf(line, sizeof(line), "audit export --journal %s --position %s --out %s",
			at("journal"), at("p"), at("o"));
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			char *argv[16], *p = line, *w;
			int argc = 0;
			while ((w = strsep(&p, " ")))
				argv[argc++] = w;
			argv[argc] = NULL;
			if (!freopen(at("err"), "w", stderr))
				_exit(99);
			_exit(cmd_audit(argc, argv));
		}
		usleep(1000 + i * 700);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		kills += WIFSIGNALED(status);
	}
	print_message("%d of 60 were killed on their way\n", kills);
	assert_exit(go_on(""), EXIT_DONE);
	assert_file_is("o", buf_view(&b.out));
	assert_exit(go_on(""), EXIT_DONE);
	assert_file_is("o", buf_view(&b.out));
}

/* Killed after it wrote, before it stored the position. */
static void
records_after_the_position_are_cut_off(void **state)
{
	(void)state;
	build(30);
	write_journal(buf_view(&b.out));
	assert_exit(go_on(""), EXIT_DONE);
	FILE *f = fopen(at("o"), "a");
	fputs("{\"v\":1,\"node\":\"gw-1\",\"half a li", f);
	fclose(f);
	assert_exit(go_on(""), EXIT_DONE);
	assert_file_is("o", buf_view(&b.out));
	/* On standard output, the records are printed again. */
	char what[512];
	snprintf(what, sizeof(what), "--position %s", at("q"));
	assert_exit(run(what), EXIT_DONE);
	assert_true(span_is(buf_view(&b.out), out));
	assert_exit(run(what), EXIT_DONE);
	assert_string_equal(out, "");
	/* The file was rotated: a new file without repeated records. */
	assert_int_equal(rename(at("o"), at("o.1")), 0);
	assert_exit(go_on(""), EXIT_DONE);
	assert_file_is("o", SPAN_LIT(""));
}

static void
tail_cut_off_at_start_is_never_exported(void **state)
{
	char cmd[1024], name[80];

	(void)state;
	build(10);
	struct chain committed = b.chain;
	struct merkle_range tree = b.tree;
	size_t good = b.out.n;
	chain_build_record(&b, "\"type\":\"decision\",\"id\":\"never\"");
	write_journal(buf_view(&b.out));
	assert_exit(go_on(""), EXIT_DONE);
	assert_file_is("o", span_cut(buf_view(&b.out), 0, good));
	/* At the next start the tail is gone, and another record has its number. */
	snprintf(cmd, sizeof(cmd), "cd '%s' && sed -i '/never/d' *.jsonl", at("journal"));
	assert_int_equal(system(cmd), 0);
	b.out.n = good;
	b.chain = committed;
	b.tree = tree;
	b.first = committed.seq + 1;
	chain_build_boot(&b);
	add_request("after");
	snprintf(name, sizeof(name), "journal/gw-1-%08" PRIu64 "-%016" PRIu64 ".jsonl",
		b.chain.boot, committed.seq + 1);
	put_file(name, span_cut(buf_view(&b.out), good, b.out.n));
	assert_exit(go_on(""), EXIT_DONE);
	assert_file_is("o", buf_view(&b.out));
}

static void
missing_records_are_an_error(void **state)
{
	(void)state;
	build(30);
	write_journal(buf_view(&b.out));
	assert_exit(go_on("--until 2027-01-15T08:00:00.005Z"), EXIT_DONE);
	/* A position that is far behind. */
	put_file("p",
		SPAN_LIT(
			"{\"v\":1,\"format\":\"jsonl\",\"nodes\":{\"gw-1\":{\"seq\":5,\"hash\":"
			"\"00000000000000000000000000000000000000000000000000000000000000ff\"}}"
			","
			"\"file\":null}"));
	assert_exit(go_on(""), EXIT_CANNOT);
	assert_err("gw-1: records 5 to 5 are others here: the position belongs to another journal");
	remove_segments(1);
	assert_exit(go_on(""), EXIT_CANNOT);
	assert_err("gw-1: records 6 to ");
	assert_err("are not here");
	assert_err("tollgate audit restore");
	assert_exit(go_on("--skip-missing"), EXIT_DONE);
	assert_err("are missing and left out (--skip-missing)");
	/* An older copy was restored, so the position is ahead of it. */
	put_file("p",
		SPAN_LIT(
			"{\"v\":1,\"format\":\"jsonl\",\"nodes\":{\"gw-1\":{\"seq\":500,"
			"\"hash\":"
			"\"00000000000000000000000000000000000000000000000000000000000000ff\"}}"
			","
			"\"file\":null}"));
	assert_exit(go_on(""), EXIT_CANNOT);
	assert_err("were exported and are not here: this is an older copy of the journal");
}

/* ---- a full disk ---- */

static long room; /* free bytes */

static ssize_t
write_while_there_is_room(int fd, const void *p, size_t n)
{
	if (room < (long)n) {
		ssize_t some = room > 0 ? write(fd, p, (size_t)room) : 0;
		room = 0;
		if (some > 0)
			return some; /* half a line was written */
		errno = ENOSPC;
		return -1;
	}
	room -= (long)n;
	return write(fd, p, n);
}

static void
full_disk_leaves_no_incomplete_file(void **state)
{
	(void)state;
	build(200);
	write_journal(buf_view(&b.out));
	replace_io.write = write_while_there_is_room;
	for (long n = 0; n < (long)b.out.n + 600; n += 9000) {
		room = n;
		assert_exit(hand_over("jsonl"), EXIT_CANNOT);
		assert_err("No space left on device");
		assert_int_equal(access(at("e"), F_OK) + access(at("e" REPLACE_SUFFIX), F_OK) +
					 access(at("e.manifest"), F_OK),
			-3);
	}
	/* Room for the file, but not for its manifest: neither gets its name. */
	room = (long)b.out.n + 10;
	assert_exit(hand_over("jsonl"), EXIT_CANNOT);
	assert_int_equal(access(at("e"), F_OK) + access(at("e.manifest"), F_OK), -2);
	/* A later run continues after a failed one. */
	for (long n = 0; n < (long)b.out.n + 4000; n += 7001) {
		room = n;
		int code = go_on("");
		assert_true(code == EXIT_CANNOT || code == EXIT_DONE);
		if (code == EXIT_CANNOT)
			assert_err("No space left on device");
	}
	replace_io.write = write;
	assert_exit(go_on(""), EXIT_DONE);
	assert_file_is("o", buf_view(&b.out));
	assert_exit(hand_over("jsonl"), EXIT_DONE);
	assert_exit(verify_manifest(""), EXIT_DONE);
}

static void
position_belongs_to_one_exporter_and_format(void **state)
{
	static const char *const positions[] = { "", "{}", "[]", "{\"v\":2}",
		"{\"v\":1,\"format\":\"jsonl\"}",
		("{\"v\":1,\"format\":\"jsonl\",\"nodes\":{\"a/"
		 "b\":{\"seq\":1,\"hash\":\"\"}},\"file\":null}"),
		"{\"v\":1,\"format\":\"jsonl\",\"nodes\":{\"a\":{\"seq\":0}},\"file\":null}",
		"{\"v\":1,\"format\":\"jsonl\",\"nodes\":{},\"file\":{\"inode\":1}}",
		"{\"v\":1,\"format\":\"jsonl\",\"nodes\":{},\"file\":null} x" };

	(void)state;
	build(5);
	write_journal(buf_view(&b.out));
	for (size_t i = 0; i < COUNT_OF(positions); i++) {
		put_file("p", span_str(positions[i]));
		assert_exit(go_on(""), EXIT_CANNOT);
		assert_err("remove it to begin again");
	}
	unlink(at("p"));
	assert_exit(go_on("--format csv"), EXIT_DONE);
	assert_exit(go_on(""), EXIT_CANNOT);
	assert_err("this position belongs to --format csv");
	assert_exit(audit("export --file x --position %s", at("p")), EXIT_CANNOT);
	assert_err("read a journal");
	/* no file is written over itself, and none is written among the segments */
	char what[900];
	snprintf(what, sizeof(what), "--position %s --out %s", at("p"), at("./p"));
	assert_exit(run(what), EXIT_CANNOT);
	assert_err("--out and --position name the same file");
	snprintf(what, sizeof(what), "--out %s", at("journal/x.csv"));
	assert_exit(run(what), EXIT_CANNOT);
	assert_err("is in the journal's folder: name a file in another folder");
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, begin, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cell_is_data_to_a_spreadsheet),
		T(hostile_name_stays_in_its_cell),
		T(report_sums_any_numbers_and_names),
		T(adjacent_windows_have_each_record_once),
		T(uncommitted_records_are_not_exported),
		T(invalid_line_is_reported),
		T(manifest_shows_what_was_changed),
		T(manifest_with_false_claims_is_detected),
		T(no_file_is_overwritten_or_left_incomplete),
		T(record_is_exported_once_despite_kills),
		T(records_after_the_position_are_cut_off),
		T(tail_cut_off_at_start_is_never_exported),
		T(missing_records_are_an_error),
		T(full_disk_leaves_no_incomplete_file),
		T(position_belongs_to_one_exporter_and_format),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}

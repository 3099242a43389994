/* The file is read as the daemon reads it: by tollgate-extract in its sandbox, which runs for
 * this command alone, beside this program or in PATH. */
#include "cmd/texts/classify_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/json_put.h"
#include "cmd/cmd.h"
#include "cmd/texts/scan.h"
#include "policy/entities.h"
#include "policy/policy.h"
#include "scan/media/extracted.h"
#include "scan/media/media_file.h"

enum {
	FILE_MOST = 64 << 20,	/* bytes of a file */
	ANSWER_MOST = 16 << 20, /* bytes of its texts */
	READ_US = 60000000,
	START_US = 5000000,
	POLL_US = 20000,
	PLACE_MOST = 256
};

/* ---- tollgate-extract ---- */

struct extractor_run {
	char dir[64], socket[80];
	pid_t pid;
	struct buf answer;
	int err, status;
};

/* In the child: starts the program beside this one, or the one in PATH. */
static void
run_extractor(const char *listen)
{
	char self[PATH_MAX], beside[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO); /* its log */
	}
	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		snprintf(beside, sizeof(beside), "%s/tollgate-extract", self);
		execl(beside, "tollgate-extract", "--listen", listen, (char *)NULL);
	}
	execlp("tollgate-extract", "tollgate-extract", "--listen", listen, (char *)NULL);
	_exit(127);
}

static bool
start_extractor(struct extractor_run *x)
{
	char listen[96];

	snprintf(x->dir, sizeof(x->dir), "/tmp/tollgate-classify-XXXXXX");
	if (!mkdtemp(x->dir))
		return false;
	snprintf(x->socket, sizeof(x->socket), "%s/extract.sock", x->dir);
	snprintf(listen, sizeof(listen), "unix@%s", x->socket);
	fflush(NULL);
	x->pid = fork();
	if (x->pid == 0)
		run_extractor(listen);
	for (uint64_t until = clock_mono_us() + START_US;
		x->pid > 0 && clock_mono_us() < until;) {
		if (access(x->socket, F_OK) == 0)
			return true;
		if (waitpid(x->pid, NULL, WNOHANG) == x->pid) {
			x->pid = 0;
			break;
		}
		usleep(POLL_US);
	}
	return false;
}

static void
end_extractor(struct extractor_run *x)
{
	if (x->pid > 0) {
		kill(x->pid, SIGTERM);
		while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	unlink(x->socket);
	rmdir(x->dir);
}

static void
on_texts(void *arg, const struct http_answer *a)
{
	struct extractor_run *x = arg;

	x->err = a->err;
	x->status = a->status;
	buf_span(&x->answer, a->body);
}

/* Returns the path by which tollgate-extract reads this kind; NULL: it does not. */
static const char *
reader_of(enum file_magic k)
{
	return k == FILE_PDF	     ? "pdf"
	       : file_is_document(k) ? "document"
	       : file_is_picture(k)  ? "image?ocr=1"
				     : NULL;
}

static int
ask_extractor(struct extractor_run *x, const char *reader, struct span file)
{
	static const char *const fields[] = { "content-type: application/octet-stream",
		"expect:", EXTRACT_DEADLINE_FIELD ": 60000" };
	char url[128];

	snprintf(url, sizeof(url), "unix:%s:/%s", x->socket, reader);
	const struct http_call_options o = { .url = url,
		.body = file,
		.fields = fields,
		.nfields = COUNT_OF(fields),
		.deadline_us = READ_US,
		.answer_bytes = ANSWER_MOST };
	int err = http_call_alone(&o, on_texts, x);
	return err ? err : x->err;
}

/* ---- findings ---- */

struct told {
	const struct scan_rules *rules;
	const struct extracted *file;
	bool json;
	struct buf *out;
	size_t n;
};

static struct span
place_in_file(const struct extracted_text *t, size_t at, char text[PLACE_MOST])
{
	struct span head, place;
	unsigned page = t->page & ~(unsigned)EXTRACT_BORDER;

	text[0] = '\0';
	if (extracted_place(t->places, at, &head, &place))
		snprintf(text, PLACE_MOST, "%.*s%.*s", SPAN_ARG(span_cut(head, 0, 100)),
			SPAN_ARG(span_cut(place, 0, 100)));
	else if (page)
		snprintf(text, PLACE_MOST, "page %u", page);
	return span_trim(span_str(text), ", ");
}

static void
tell_finding(struct told *d, const struct extracted_text *t, const struct finding *f)
{
	const struct policy *p = d->rules->policy;
	const char *name = detect_entity_name(d->rules->rules, f->entity);
	const char *class = p ? policy_class_of(p, d->rules->rules, f->entity)
			      : detect_entity_class(d->rules->rules, f->entity);
	char text[PLACE_MOST];
	struct span place = place_in_file(t, f->start, text);

	d->n++;
	if (!d->json) {
		buf_printf(
			d->out, "%s\t%s\t%.*s\n", name, class ? class : "-", SPAN_ARG(place));
		return;
	}
	json_put_form(d->out, "{'entity':%s", name);
	json_put_opt(d->out, "class", class);
	json_put_form(d->out, "'place':%t", place);
	json_put_printf(d->out, "score", "%.2f", (double)f->score);
	json_put_close(d->out, '}');
}

static int
tell_text(struct told *d, struct detect_scratch *s, const struct extracted_text *t)
{
	struct detect_options opt = scan_rules_options(d->rules);
	struct findings found;

	SCOPED_ARENA(a, 0, true);
	int err = detect_scan(d->rules->rules, s, t->text, &opt, &a, &found);
	for (size_t i = 0; !err && i < found.n; i++)
		tell_finding(d, t, &found.v[i]);
	return err;
}

static int
tell_file(struct told *d)
{
	const struct extracted *x = d->file;
	struct detect_scratch *s = detect_scratch_new(d->rules->rules);
	int err = s ? 0 : ERR_NOMEM;

	if (d->json)
		json_put_form(d->out, "{'findings':[");
	for (size_t i = 0; !err && i < x->ntexts; i++)
		err = tell_text(d, s, &x->texts[i]);
	detect_scratch_free(&s);
	if (err)
		return err;
	if (d->json) {
		json_put_form(d->out, "]");
		json_put_opt(d->out, "kind", x->kind);
		if (x->pages)
			json_put_uint(d->out, "pages", x->pages);
		if (x->macros)
			json_put_bool(d->out, "macros", true);
		json_put_opt(d->out, "not_read", x->why);
		if (x->why_page)
			json_put_uint(d->out, "not_read_page", x->why_page);
		buf_str(d->out, "}\n");
		return 0;
	}
	if (!d->n)
		buf_str(d->out, "no findings\n");
	if (x->macros)
		buf_str(d->out, "the file has macros, whose text was read\n");
	if (x->why && x->why_page)
		buf_printf(d->out, "not read: %s on page %u\n", x->why, x->why_page);
	else if (x->why)
		buf_printf(d->out, "not read: %s\n", x->why);
	return 0;
}

static int
print_file(const struct scan_rules *rules, const struct extracted *x, bool json)
{
	SCOPED_BUF(out, 0);
	struct told d = { .rules = rules, .file = x, .json = json, .out = &out };
	int err = tell_file(&d);

	if (err)
		return cmd_fail("classify", "%s", scan_why(err));
	if (!scan_write(&out))
		return cmd_fail("classify", "%s", strerror(errno));
	return x->why ? EXIT_NO : EXIT_DONE;
}

static int
extract_and_tell(
	const struct scan_rules *rules, const char *reader, struct span file, bool json)
{
	struct extractor_run run = { .pid = 0 };
	struct extracted x;
	int code;

	SCOPED_ARENA(a, 0, true);
	buf_init(&run.answer, ANSWER_MOST);
	if (!start_extractor(&run))
		code = cmd_fail("classify",
			"tollgate-extract does not start: `tollgate-extract "
			"--check` prints why");
	else if (ask_extractor(&run, reader, file) || run.status != 200 ||
		 extracted_read(buf_view(&run.answer), &a, &x))
		code = cmd_fail("classify", "tollgate-extract did not read the file: status %d",
			run.status);
	else
		code = print_file(rules, &x, json);
	end_extractor(&run);
	buf_free(&run.answer);
	return code;
}

/* A file that is no container is a text, or has no reader. */
static int
tell_text_file(const struct scan_rules *rules, struct span file, bool json)
{
	struct extracted_text one = { .page = 0 };
	struct extracted x = { .texts = &one, .ntexts = 1 };
	enum file_magic k = file_kind_of(file);
	bool is = false;

	SCOPED_ARENA(a, 0, true);
	if (file_text(file, &a, &one.text, &is))
		return cmd_fail("classify", "out of memory");
	if (k == FILE_OLE)
		x.why = "old_office";
	else if (!is)
		x.why = "no reader";
	x.ntexts = is;
	return print_file(rules, &x, json);
}

int
classify_file(const char *file, const char *policy, bool json)
{
	struct scan_rules rules;

	SCOPED_BUF(bytes, FILE_MOST);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cmd_fail("classify", "%s: %s", file, strerror(errno));
	int err = buf_fd(&bytes, fd);
	close(fd);
	if (err || buf_failed(&bytes))
		return cmd_fail(
			"classify", "%s: cannot be read, or is longer than 64 MB", file);
	if (scan_rules_load(&rules, "classify", NULL, policy))
		return EXIT_CANNOT;
	const char *reader = reader_of(file_kind_of(buf_view(&bytes)));
	int code = reader ? extract_and_tell(&rules, reader, buf_view(&bytes), json)
			  : tell_text_file(&rules, buf_view(&bytes), json);
	scan_rules_free(&rules);
	return code;
}

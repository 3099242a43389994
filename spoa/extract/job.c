/* Reads one file, as process 1 of a cage. A PDF is read in six steps. A scan of its objects
 * (extract/pdf_objects.c) finds the parts that pdftotext does not report. pdftotext prints the
 * text page by page. pdftohtml prints it again, with parts that pdftotext leaves out: text that
 * /ActualText replaces, patterns, tiny letters after the 50,000th. The text is printed again from
 * a copy in which hidden layers and annotations are shown, and attached PDFs are read. Pages
 * without text are drawn small, to find the empty ones. tesseract reads the others if OCR was
 * ordered. A picture is read by tesseract only, also enlarged if its letters are small. An Office
 * document is read by extract/document.c, without a tool.
 *
 * tool_run() runs a tool inside of the cage: fork, a pipe for each output, limits, the list of
 * system calls, and one execve. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "extract/cage.h"
#include "extract/document.h"
#include "extract/enlarge.h"
#include "extract/frame.h"
#include "extract/job.h"
#include "extract/pdf.h"
#include "extract/picture.h"

/* ---- running a tool ---- */

/* A program, or a function of ours, that reads a hostile file: a child of process 1 of a cage,
 * with the limits and system calls of a tool (extract/cage.h). */
struct tool {
	/* path of the program inside the cage; NULL: `call` runs instead */
	const char *path;
	const char *const *argv; /* arguments, ended by NULL */
	/* appends its result to the buffer and returns its exit code; runs under the same
	 * limits as a tool */
	int (*call)(struct buf *out);
	unsigned cpu_s;
	size_t out_bytes;  /* a tool with more output is ended, with EXTRACT_TOO_LARGE */
	uint64_t until_us; /* monotonic, as clock_mono_us() */
};

/* The end of a tool. */
struct tool_end {
	enum extract_error error; /* EXTRACT_READ: exit code 0 */
	struct buf out, err;
};
/* Declares a struct tool_end that is freed at the end of its scope. */
#define SCOPED_TOOL_END(name, end_)                                                            \
	__attribute__((cleanup(tool_end_free))) struct tool_end name = (end_)

enum {
	/* bytes of a tool's messages that are kept; the rest is read and dropped */
	STDERR_BYTES = 64 << 10,
	STEP = 64 << 10,
	NOT_FOUND = 127,
};

static const char *const environment[] = { "OMP_THREAD_LIMIT=1", "LC_ALL=C", NULL };

/* A running child. */
struct running {
	pid_t pid;
	int out, err; /* -1: closed */
};

static _Noreturn void
become_tool(const struct tool *t, int in, int out, int err)
{
	struct rlimit cpu = { t->cpu_s, t->cpu_s + 1 }, none = { 0, 0 };

	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 ||
		close_range(3, ~0u, 0) < 0)
		_exit(2);
	if (setrlimit(RLIMIT_CPU, &cpu) < 0 || setrlimit(RLIMIT_FSIZE, &none) < 0 ||
		(t->path && filter_place_path(t->path) < 0))
		_exit(2);
	if (filter_load(FILTER_TOOL))
		_exit(2);
	if (t->path) {
		execve(FILTER_PATH, (char *const *)t->argv, (char *const *)environment);
		_exit(NOT_FOUND);
	}
	struct buf b;
	buf_init(&b, t->out_bytes + 1);
	int code = t->call(&b);
	/* the reader notices a result that is too large */
	for (size_t at = 0; at < b.n;) {
		ssize_t n = write(1, b.p + b.start + at, b.n - at);
		if (n < 0)
			_exit(2);
		at += (size_t)n;
	}
	_exit(code);
}

/* Starts a tool. `out` >= 0: its standard output; otherwise a pipe is made. Returns false if
 * processes or descriptors are exhausted. */
static bool
tool_start(struct running *r, const struct tool *t, int in, int out)
{
	int outs[2] = { -1, out }, errs[2] = { -1, -1 };

	*r = (struct running){ -1, -1, -1 };
	if ((out < 0 && pipe2(outs, O_CLOEXEC) < 0) || pipe2(errs, O_CLOEXEC) < 0)
		return false;
	r->pid = fork();
	if (r->pid == 0)
		become_tool(t, in, outs[1], errs[1]);
	if (out < 0)
		close(outs[1]);
	close(errs[1]);
	r->out = outs[0];
	r->err = errs[0];
	return r->pid > 0;
}

/* Reads from a pipe. Returns false at its end or if `b` is full. With `drop`, further bytes are
 * read and dropped. */
static bool
drain_pipe(int *fd, struct buf *b, bool drop)
{
	char step[STEP];
	ssize_t n = read(*fd, step, sizeof(step));

	size_t got = n > 0 ? (size_t)n : 0;
	buf_put(b, step, drop && got > b->cap - b->n ? b->cap - b->n : got);
	if (n > 0 && (drop || !buf_failed(b)))
		return true;
	if (n < 0 && errno == EINTR)
		return true;
	close(*fd);
	*fd = -1;
	return false;
}

/* Reads both pipes to their ends. Returns EXTRACT_READ, or why it stopped. */
static enum extract_error
collect(struct running *r, uint64_t until_us, struct tool_end *end)
{
	while (r->out >= 0 || r->err >= 0) {
		struct pollfd p[2] = { { r->out, POLLIN, 0 }, { r->err, POLLIN, 0 } };
		uint64_t now = clock_mono_us();
		if (now >= until_us)
			return EXTRACT_TIMEOUT;
		if (poll(p, 2, (int)((until_us - now) / 1000) + 1) < 0 && errno != EINTR)
			return EXTRACT_KILLED;
		if (p[0].revents)
			drain_pipe(&r->out, &end->out, false);
		if (p[1].revents)
			drain_pipe(&r->err, &end->err, true);
		if (buf_failed(&end->out))
			return EXTRACT_TOO_LARGE;
	}
	return EXTRACT_READ;
}

static bool
has_words(const struct buf *b, const char *words)
{
	return b->n && memmem(b->p + b->start, b->n, words, strlen(words));
}

/* Returns the meaning of a status of wait(2). `said` are the tool's messages. */
static enum extract_error
how_ended(int status, const struct buf *said)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return EXTRACT_READ;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		return EXTRACT_NO_TOOL;
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
		return EXTRACT_TIMEOUT;
	if (has_words(said, "bad_alloc") || has_words(said, "ut of memory") ||
		has_words(said, "emory alloc"))
		return EXTRACT_MEMORY;
	return WIFEXITED(status) ? EXTRACT_DAMAGED : EXTRACT_KILLED;
}

static enum extract_error
tool_finish(struct running *r, enum extract_error error, const struct buf *said)
{
	int status = 0;

	if (r->out >= 0)
		close(r->out);
	if (r->err >= 0)
		close(r->err);
	if (r->pid <= 0)
		return EXTRACT_KILLED;
	if (error)
		kill(r->pid, SIGKILL);
	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
	return error ? error : how_ended(status, said);
}

static struct tool_end
tool_end_init(const struct tool *t)
{
	struct tool_end end = { EXTRACT_READ, { 0 }, { 0 } };

	buf_init(&end.out, t->out_bytes);
	buf_init(&end.err, STDERR_BYTES);
	return end;
}

static void
tool_end_free(struct tool_end *end)
{
	buf_free(&end->out);
	buf_free(&end->err);
}

/* Runs a tool with the document as standard input, from its beginning. */
static struct tool_end
tool_run(const struct tool *t)
{
	struct tool_end end = tool_end_init(t);
	struct running r;

	lseek(0, 0, SEEK_SET);
	enum extract_error error = EXTRACT_KILLED;
	if (tool_start(&r, t, 0, -1))
		error = collect(&r, t->until_us, &end);
	end.error = tool_finish(&r, error, &end.err);
	return end;
}

/* ---- tools at the same time ---- */

/* A tool at work, possibly on the output of another tool. */
struct lane {
	unsigned page; /* for the caller */
	bool busy, piped;
	struct running first, last; /* `first` only if piped */
	struct tool_end before, end;
};

/* Starts `to` on the document, or on the output of `from` unless that is NULL. `document`: a
 * descriptor of the document that no other running tool reads. */
static void
lane_start(struct lane *l, const struct tool *from, const struct tool *to, int document)
{
	int between[2] = { -1, -1 };

	INVARIANT(!l->busy);
	l->busy = true;
	l->piped = from != NULL;
	l->first = l->last = (struct running){ -1, -1, -1 };
	l->before = tool_end_init(to);
	l->end = tool_end_init(to);
	lseek(document, 0, SEEK_SET);
	if (!from) {
		tool_start(&l->last, to, document, -1);
	} else if (pipe2(between, O_CLOEXEC) == 0) {
		if (tool_start(&l->first, from, document, between[1]))
			tool_start(&l->last, to, between[0], -1);
		close(between[0]);
		close(between[1]);
	}
}

/* Reads what the lane's tools have written. Returns true once they wrote all. */
static bool
lane_drain(struct lane *l, const struct pollfd p[3])
{
	if (p[0].revents)
		drain_pipe(&l->last.out, &l->end.out, false);
	if (p[1].revents)
		drain_pipe(&l->last.err, &l->end.err, true);
	if (p[2].revents)
		drain_pipe(&l->first.err, &l->before.err, true);
	return buf_failed(&l->end.out) ||
	       (l->last.out < 0 && l->last.err < 0 && l->first.err < 0);
}

/* Waits for the lane's processes, and kills them first if `error` is set. end.error is that of
 * the last tool; before.error that of the first. */
static void
lane_finish(struct lane *l, enum extract_error error)
{
	if (!error && buf_failed(&l->end.out))
		error = EXTRACT_TOO_LARGE;
	l->end.error = tool_finish(&l->last, error, &l->end.err);
	l->before.error =
		l->piped ? tool_finish(&l->first, error, &l->before.err) : EXTRACT_READ;
	l->busy = false;
}

static void
lane_free(struct lane *l)
{
	tool_end_free(&l->before);
	tool_end_free(&l->end);
}

/* Waits until one of the busy lanes ends, and returns it. Returns NULL if none is busy. All
 * lanes end with EXTRACT_TIMEOUT at `until_us`. */
static struct lane *
lanes_wait(struct lane *lanes, size_t n, uint64_t until_us)
{
	struct pollfd p[3 * EXTRACT_LANES];
	bool busy = true;

	INVARIANT(n <= EXTRACT_LANES);
	while (busy) {
		uint64_t now = clock_mono_us();
		busy = false;
		for (size_t i = 0; i < n; i++) {
			struct lane *l = &lanes[i];
			const int fds[] = { l->last.out, l->last.err, l->first.err };
			busy |= l->busy;
			for (size_t k = 0; k < 3; k++)
				p[3 * i + k] =
					(struct pollfd){ l->busy ? fds[k] : -1, POLLIN, 0 };
		}
		bool late = now >= until_us;
		if (busy && !late && poll(p, 3 * n, (int)((until_us - now) / 1000) + 1) < 0 &&
			errno != EINTR)
			late = true;
		for (size_t i = 0; i < n; i++) {
			if (!lanes[i].busy || (!late && !lane_drain(&lanes[i], p + 3 * i)))
				continue;
			lane_finish(&lanes[i], late ? EXTRACT_TIMEOUT : EXTRACT_READ);
			return &lanes[i];
		}
	}
	return NULL;
}

/* ---- reading a file ---- */

enum {
	DRAWN_BYTES = 64 << 20, /* pictures of pages, drawn small */
	HTML_BYTES = 32 << 20,	/* texts, each with a tag */
	/* before the server's deadline, at most: the job then delivers what it has */
	MARGIN_MS = 700,
};

const char *const job_tool_names[JOB_TOOLS] = { "pdftotext", "pdftohtml", "pdftoppm",
	"tesseract" };
static char paths[JOB_TOOLS][64];
static const char *languages = "eng";

/* One reading. owner: process 1 of the cage. */
struct job {
	const struct extract_order *order;
	uint64_t until_us;
	struct buf out;			     /* frames for the server */
	struct span text[EXTRACT_PAGES + 1]; /* from pdftotext, by page from 1 */
	struct job *whole;		     /* the job of the document, if this one reads its copy */
	bool hidden;			     /* the copy shows what the document hides */
	unsigned pages;
	unsigned char empty[EXTRACT_PAGES + 1]; /* EMPTY_…, by page */
	/* by page: has letters without a name that OCR does not see, because they are hidden */
	bool unnamed[EXTRACT_PAGES + 1];
};

/* DRAWN: has no text, but is not empty; UNNAMED: has letters that no font names; LATE: OCR had no
 * time for it */
enum { EMPTY_NO, EMPTY_YES, EMPTY_DRAWN, EMPTY_UNNAMED, EMPTY_LATE };

void
job_tools(const char *folder)
{
	for (size_t i = 0; i < JOB_TOOLS; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder, job_tool_names[i]);
}

void
job_languages(const char *given)
{
	languages = given;
}

static struct tool
tool_of(const struct job *j, enum job_tool which, const char *const *argv, size_t out_bytes)
{
	return (struct tool){ .path = paths[which],
		.argv = argv,
		.cpu_s = which == JOB_TESSERACT ? EXTRACT_OCR_CPU_S : EXTRACT_CPU_S,
		.out_bytes = out_bytes,
		.until_us = j->until_us };
}

/* Maps the document, which has at most 64 MB. Returns an empty span on error. */
static struct span
map_document(void)
{
	struct stat st;

	if (fstat(0, &st) < 0 || st.st_size <= 0)
		return span_of(NULL, 0);
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, 0, 0);
	return p == MAP_FAILED ? span_of(NULL, 0) : span_of(p, (size_t)st.st_size);
}

/* Writes the reasons for which parts of the document were not read, one bit each. */
static void
put_reasons(struct buf *out, uint64_t unread)
{
	for (unsigned why = 0; why < EXTRACT_UNREAD_N; why++)
		if (unread >> why & 1)
			frame_put(out, FRAME_UNREAD, 0, why);
}

/* Runs in a child of its own, because it parses a hostile file. */
static int
scan_document(struct buf *out)
{
	struct pdf_found f;

	pdf_scan(map_document(), &f);
	if (f.error) {
		frame_put(out, FRAME_END, 0, f.error);
		return 0;
	}
	if (f.text.n)
		frame_put_text(out, FRAME_TEXT, 0, buf_view(&f.text));
	put_reasons(out, f.unread);
	buf_span(out, buf_view(&f.frames));
	return 0;
}

/* Cuts a frame from the front of the output of a scan. *text: what follows its header. Returns
 * false at the end, or if the output is not a row of frames. */
static bool
next_frame(struct span *said, struct frame *f, struct span *text)
{
	if (said->n < sizeof(*f))
		return false;
	memcpy(f, said->p, sizeof(*f));
	size_t n = f->kind == FRAME_UNREAD || f->kind == FRAME_END || f->kind == FRAME_KIND ? 0
										    : f->n;
	*said = span_cut(*said, sizeof(*f), said->n);
	if (n > said->n)
		return false;
	*text = span_cut(*said, 0, n);
	*said = span_cut(*said, n, said->n);
	return true;
}

/* Runs the call in a child, and passes its frames on: those with a PDF to *files, if that is not NULL,
 * and all others to the result. FRAME_END ends the reading. */
static enum extract_error
pass_frames(struct job *j, int (*call)(struct buf *out), size_t out_bytes, struct buf *files)
{
	struct tool t = { .call = call,
		.cpu_s = EXTRACT_CPU_S,
		.out_bytes = out_bytes + EXTRACT_SLACK_BYTES,
		.until_us = j->until_us };
	SCOPED_TOOL_END(end, tool_run(&t));
	struct span said = buf_view(&end.out), text;
	struct frame f;

	while (!end.error && next_frame(&said, &f, &text)) {
		struct buf *to = files && f.kind != FRAME_TEXT && f.kind != FRAME_UNREAD ? files : &j->out;
		if (f.kind == FRAME_END)
			end.error = f.n < EXTRACT_ERRORS_N ? f.n : EXTRACT_KILLED;
		else if (f.kind == FRAME_UNREAD || f.kind == FRAME_KIND)
			frame_put(to, f.kind, f.page, f.n);
		else
			frame_put_text(to, f.kind, f.page, text);
	}
	return !end.error && said.n ? EXTRACT_KILLED : end.error;
}

static enum extract_error
scan_pdf(struct job *j, struct buf *files)
{
	return pass_frames(j, scan_document, EXTRACT_SCAN_BYTES + EXTRACT_TEXT_BYTES, files);
}

/* for -l: one page more than allowed, to notice longer files */
#define TEXT_RANGE "1001"
_Static_assert(EXTRACT_PAGES == 1000, "TEXT_RANGE is one more");

/* Returns true if pdftotext reported errors, or more messages than are kept. The message on a
 * form without fields, which Acrobat leaves, is ignored. */
static bool
has_errors(const struct buf *said)
{
	struct span s = buf_view(said), error = SPAN_LIT("Syntax Error");

	if (said->n && said->n == said->cap)
		return true;
	while (s.n) {
		struct span line = span_next(&s, '\n');
		if (memmem(line.p, line.n, error.p, error.n) &&
			!span_starts(line, SPAN_LIT("Syntax Error: Can't get Fields array")))
			return true;
	}
	return false;
}

/* Runs pdftotext: in the layout of the page, or with `raw` in the order of the file. */
static enum extract_error
text_of_pdf(struct job *j, bool raw, struct buf *text)
{
	/* a window far wider than the page, because text outside of the page is text too */
	const char *argv[] = { "pdftotext", "-l", TEXT_RANGE, "-x", "-1000000000", "-y",
		"-1000000000", "-W", "2000000000", "-H", "2000000000", "-enc", "UTF-8",
		raw ? "-raw" : "-", "-", raw ? "-" : NULL, NULL };
	struct tool t =
		tool_of(j, JOB_PDFTOTEXT, argv, EXTRACT_TEXT_BYTES + EXTRACT_SLACK_BYTES);
	SCOPED_TOOL_END(end, tool_run(&t));

	buf_move(text, &end.out);
	if (!raw && has_errors(&end.err))
		frame_put(&j->out, FRAME_UNREAD, 0, EXTRACT_ERRORS);
	return end.error;
}

static bool
has_no_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > ' ')
			return false;
	return true;
}

/* Splits the text into pages, which end with a form feed. */
static enum extract_error
take_pages(struct job *j, struct span text)
{
	while (text.n) {
		struct span page = span_next(&text, '\f');
		if (j->pages == EXTRACT_PAGES)
			return EXTRACT_TOO_MANY_PAGES;
		j->pages++;
		j->text[j->pages] = page;
		if (has_no_text(page))
			j->empty[j->pages] = EMPTY_YES;
	}
	return j->pages ? EXTRACT_READ : EXTRACT_DAMAGED;
}

/* Skips the space between words and moves *i behind it. Returns the number of line breaks in
 * it, or -1 if there is no space. */
static int
gap_lines(struct span s, size_t *i)
{
	int lines = -1;

	for (; *i < s.n && (unsigned char)s.p[*i] <= ' '; ++*i)
		lines = (lines < 0 ? 0 : lines) + (s.p[*i] == '\n');
	return lines;
}

/* Returns true if both texts have the same words. *nearer: some word of b is nearer to the word
 * before it than in a; *farther: some word is farther. */
static bool
same_words(struct span a, struct span b, bool *nearer, bool *farther)
{
	size_t i = 0, k = 0;

	*nearer = *farther = false;
	for (bool first = true;; first = false) {
		int gap_a = gap_lines(a, &i), gap_b = gap_lines(b, &k);
		if (i == a.n || k == b.n)
			return i == a.n && k == b.n;
		if (a.p[i++] != b.p[k++] || (!first && (gap_a < 0) != (gap_b < 0)))
			return false;
		*nearer |= !first && gap_b < gap_a;
		*farther |= !first && gap_b > gap_a;
	}
}

/* Returns true if both texts have the same letters in any order. */
static bool
same_letters(struct span a, struct span b)
{
	size_t count[256] = { 0 };

	for (size_t i = 0; i < a.n; i++)
		count[(unsigned char)a.p[i]]++;
	for (size_t i = 0; i < b.n; i++)
		count[(unsigned char)b.p[i]]--;
	for (size_t i = ' ' + 1; i < 256; i++)
		if (count[i])
			return false;
	return true;
}

/* Appends frames with the lines at the border between a page and the next one, in both orders. */
static void
put_border(const struct job *j, unsigned page, struct span raw, struct span raw_next, struct buf *to)
{
	SCOPED_BUF(lines, 0);
	SCOPED_BUF(raw_lines, 0);

	pdf_page_border(j->text[page], j->text[page + 1], &lines);
	pdf_page_border(raw, raw_next, &raw_lines);
	if (lines.n)
		frame_put_text(to, FRAME_TEXT, page | EXTRACT_BORDER, buf_view(&lines));
	if (raw_lines.n && !span_eq(buf_view(&lines), buf_view(&raw_lines)))
		frame_put_text(to, FRAME_TEXT, page | EXTRACT_BORDER, buf_view(&raw_lines));
}

/* Notes that a page has letters without a name. OCR reads them, except those that only the copy
 * shows. */
static void
note_unnamed(struct job *j, unsigned page)
{
	struct job *whole = j->whole ? j->whole : j;

	if (page > whole->pages)
		page = 0;
	if (j->hidden || page == 0)
		whole->unnamed[page] = true;
	else
		whole->empty[page] = EMPTY_UNNAMED;
}

/* Removes the private characters from a text of the copy, and notes the pages that have a text of
 * them. */
static void
take_unnamed(struct job *copy, struct buf *text)
{
	SCOPED_BUF(named, text->cap);
	struct span rest = buf_view(text);

	for (unsigned page = 1; rest.n && page <= copy->whole->pages; page++)
		if (pdf_letters_unnamed(span_next(&rest, '\f')))
			note_unnamed(copy, page);
	pdf_named_letters(buf_view(text), &named);
	buf_clear(text);
	buf_move(text, &named);
}

/* Writes each page in both orders unless they are equal, because neither is enough alone. The
 * layout order breaks slanted text into letters, tears form boxes apart and drops hyphens at
 * line ends. The file's order cuts columns into pieces. The borders of pages come last. */
static enum extract_error
put_pages(struct job *j, struct span text)
{
	SCOPED_BUF(borders, 0);
	struct span before = span_of(NULL, 0);

	for (unsigned page = 1; page <= j->pages; page++) {
		struct span first = j->text[page], other = span_next(&text, '\f');
		if (page > 1)
			put_border(j, page - 1, before, other, &borders);
		before = other;
		if (j->whole && page <= j->whole->pages && same_letters(first, j->whole->text[page]))
			continue;
		bool nearer, farther, same = same_words(first, other, &nearer, &farther);
		SCOPED_BUF(joined, 0);
		pdf_join_letters(first, &joined);
		pdf_join_letters(other, &joined);
		if (joined.n)
			frame_put_text(&j->out, FRAME_TEXT, page, buf_view(&joined));
		if (pdf_letters_unnamed(first))
			note_unnamed(j, page);
		if (!has_no_text(first) && (!same || farther || !nearer))
			frame_put_text(&j->out, FRAME_TEXT, page, first);
		if (!has_no_text(other) && (!same || nearer))
			frame_put_text(&j->out, FRAME_TEXT, page, other);
	}
	buf_span(&j->out, buf_view(&borders));
	return text.n ? EXTRACT_DAMAGED : EXTRACT_READ;
}

/* Runs pdftohtml, and writes a page's text if it differs from that of pdftotext. */
static enum extract_error
text_again(struct job *j)
{
	static const char *const argv[] = { "pdftohtml", "-xml", "-i", "-hidden", "-nodrm",
		"-stdout", "-l", TEXT_RANGE, "-", "x", NULL };
	SCOPED_BUF(text, EXTRACT_TEXT_BYTES);
	struct tool t = tool_of(j, JOB_PDFTOHTML, argv, HTML_BYTES);
	SCOPED_TOOL_END(end, tool_run(&t));
	struct span xml = buf_view(&end.out);
	unsigned page;

	while (!end.error && pdf_html_page(&xml, &page, &text)) {
		if (j->whole && pdf_letters_unnamed(buf_view(&text)))
			note_unnamed(j, page);
		SCOPED_BUF(named, EXTRACT_TEXT_BYTES);
		pdf_named_letters(buf_view(&text), &named);
		struct span said = buf_view(j->whole ? &named : &text);
		struct span first = page <= EXTRACT_PAGES ? j->text[page] : span_of(NULL, 0);
		if (buf_failed(&text))
			end.error = EXTRACT_TOO_LARGE;
		else if (!same_letters(said, first))
			frame_put_text(&j->out, FRAME_TEXT, page <= j->pages ? page : 0, said);
	}
	return end.error;
}

/* Takes one picture of pdftoppm -gray from the front (PGM: "P5\
 * W H\
 * 255\
 * " and bytes). Returns 1 if it has one even color, 0 if not, and -1 if it is not whole. */
static int
take_drawn(struct span *s)
{
	unsigned w, h, most;
	int head = 0;
	char line[48] = "";

	memcpy(line, s->p, s->n < sizeof(line) - 1 ? s->n : sizeof(line) - 1);
	if (sscanf(line, "P5 %5u %5u %3u%n", &w, &h, &most, &head) != 3 || !head)
		return -1;
	struct span rest = span_cut(*s, (size_t)head + 1, s->n);
	size_t n = (size_t)w * h;
	if (n == 0 || n > rest.n)
		return -1;
	*s = span_cut(rest, n, rest.n);
	return memcmp(rest.p, rest.p + 1, n - 1) == 0;
}

/* Draws pages first..last, which have no text, and marks the empty ones. A page that cannot be
 * drawn does not count as empty. Returns false if some pages were not drawn. */
static bool
draw_pages(struct job *j, unsigned first, unsigned last)
{
	char from[12], to[12];
	const char *argv[] = { "pdftoppm", "-gray", "-scale-to", "300", "-hide-annotations",
		"-f", from, "-l", to, "-", NULL };

	snprintf(from, sizeof(from), "%u", first);
	snprintf(to, sizeof(to), "%u", last);
	struct tool t = tool_of(j, JOB_PDFTOPPM, argv, DRAWN_BYTES);
	SCOPED_TOOL_END(end, tool_run(&t));
	struct span s = buf_view(&end.out);
	bool fonts = end.err.n && memmem(end.err.p + end.err.start, end.err.n, "font", 4);
	unsigned page = first;
	for (int even; page <= last && s.n && (even = take_drawn(&s)) >= 0; page++)
		if (j->empty[page] == EMPTY_YES)
			j->empty[page] = even && !fonts ? EMPTY_NO : EMPTY_DRAWN;
	return page > last;
}

/* Checks runs of pages without text. Form feeds inside of a text would create pages that do not
 * exist, so the last page must be drawable. */
static enum extract_error
look_at_empty(struct job *j)
{
	unsigned seen = 0, drawn = 0;

	for (unsigned page = 1; page <= j->pages && seen < EXTRACT_LOOKED_AT; page++) {
		unsigned last = page;
		if (j->empty[page] != EMPTY_YES)
			continue;
		while (last < j->pages && j->empty[last + 1] == EMPTY_YES &&
			last - page + seen + 1 < EXTRACT_LOOKED_AT)
			last++;
		draw_pages(j, page, last);
		seen += last - page + 1;
		drawn = last;
		page = last;
	}
	if (seen && drawn < j->pages && !draw_pages(j, j->pages, j->pages))
		return clock_mono_us() < j->until_us ? EXTRACT_DAMAGED : EXTRACT_TIMEOUT;
	return EXTRACT_READ;
}

/* Starts to draw a page and to read it by OCR. */
static void
start_ocr_page(struct job *j, struct lane *l, unsigned page, int document)
{
	char at[12];
	const char *draw[] = { "pdftoppm", "-q", "-gray", "-r", "150", "-f", at, "-l", at, "-",
		NULL };
	const char *read[] = { "tesseract", "-", "-", "--psm", "1", "--dpi", "150", "-l",
		languages, NULL };

	snprintf(at, sizeof(at), "%u", page);
	struct tool from = tool_of(j, JOB_PDFTOPPM, draw, 0);
	struct tool to = tool_of(j, JOB_TESSERACT, read, EXTRACT_TEXT_BYTES);
	l->page = page;
	lane_start(l, &from, &to, document);
}

/* Keeps the text of a page. A page that was not read in time is so reported. */
static enum extract_error
end_ocr_page(struct job *j, struct lane *l)
{
	enum extract_error error = l->before.error ? l->before.error : l->end.error;

	if (error == EXTRACT_READ && !has_no_text(buf_view(&l->end.out))) {
		frame_put_text(&j->out, FRAME_TEXT, l->page, buf_view(&l->end.out));
		frame_put(&j->out, FRAME_OCR, l->page, 0);
		j->empty[l->page] = EMPTY_NO;
	} else if (error == EXTRACT_TIMEOUT) {
		j->empty[l->page] = EMPTY_LATE;
	}
	lane_free(l);
	return error;
}

/* Returns the next page after `page` that OCR has to read, or 0. */
static unsigned
next_pictured(const struct job *j, unsigned page)
{
	while (++page <= j->pages)
		if (j->empty[page] != EMPTY_NO)
			return page;
	return 0;
}

/* Reads the first pages without text by OCR, several at the same time. */
static enum extract_error
ocr_pages(struct job *j)
{
	struct lane lanes[EXTRACT_LANES] = { 0 }, *ended;
	unsigned page = next_pictured(j, 0), left = EXTRACT_OCR_PAGES;
	size_t n = j->order->lanes;
	bool missing = false;

	do {
		for (size_t i = 0; i < n && page && left && !missing;) {
			if (lanes[i].busy) {
				i++;
				continue;
			}
			if (clock_mono_us() < j->until_us)
				start_ocr_page(j, &lanes[i], page, CAGE_COPY + (int)i);
			else
				j->empty[page] = EMPTY_LATE;
			page = next_pictured(j, page);
			left--;
		}
		ended = lanes_wait(lanes, n, j->until_us);
		missing |= ended && end_ocr_page(j, ended) == EXTRACT_NO_TOOL;
	} while (ended);
	return missing ? EXTRACT_NO_TOOL : EXTRACT_READ;
}

/* Reports the pages that were not read. */
static void
put_empty_pages(struct job *j)
{
	static const enum extract_unread why[] = { [EMPTY_YES] = EXTRACT_NO_TEXT,
		[EMPTY_DRAWN] = EXTRACT_NO_TEXT,
		[EMPTY_UNNAMED] = EXTRACT_FONTS,
		[EMPTY_LATE] = EXTRACT_LATE };

	for (unsigned page = 0; page <= j->pages; page++)
		if (j->unnamed[page])
			frame_put(&j->out, FRAME_UNREAD, page, EXTRACT_FONTS);
		else if (j->empty[page] != EMPTY_NO)
			frame_put(&j->out, FRAME_UNREAD, page, why[j->empty[page]]);
}

/* Reads the text of all pages. j->text are views of `text`. */
static enum extract_error
text_of_pages(struct job *j, struct buf *text)
{
	SCOPED_BUF(raw, 0);
	enum extract_error error = text_of_pdf(j, false, text);

	if (!error && j->whole)
		take_unnamed(j, text);
	error = error ? error : take_pages(j, buf_view(text));
	error = error ? error : text_of_pdf(j, true, &raw);
	if (!error && j->whole)
		take_unnamed(j, &raw);
	error = error ? error : put_pages(j, buf_view(&raw));
	return error ? error : text_again(j);
}

/* Reads a PDF that is attached to the document: its texts belong to page 0. Whatever of it cannot
 * be read, files attached to it included, is an attachment that was not read. */
static enum extract_error
read_attached(struct job *j, struct job *inner)
{
	SCOPED_BUF(text, 0);
	SCOPED_BUF(files, 0);
	enum extract_error error = scan_pdf(inner, &files);

	error = error ? error : text_of_pages(inner, &text);
	error = error ? error : look_at_empty(inner);
	bool whole = !error && !files.n && !inner->unnamed[0];
	for (unsigned page = 1; page <= inner->pages; page++)
		whole = whole && inner->empty[page] == EMPTY_NO && !inner->unnamed[page];
	struct span said = buf_view(&inner->out), bytes;
	for (struct frame f; next_frame(&said, &f, &bytes);)
		if (f.kind == FRAME_TEXT)
			frame_put_text(&j->out, FRAME_TEXT, 0, bytes);
		else
			whole = false;
	if (!whole)
		frame_put(&j->out, FRAME_UNREAD, 0, EXTRACT_ATTACHMENTS);
	return error == EXTRACT_TIMEOUT ? error : EXTRACT_READ;
}

/* Reads the copy of the document that shows what is hidden, and letters without a name: writes pages
 * with other text. */
static enum extract_error
read_shown(struct job *j, struct job *copy, bool hidden)
{
	SCOPED_BUF(text, 0);

	copy->whole = j;
	copy->hidden = hidden;
	enum extract_error error = text_of_pages(copy, &text);
	buf_move(&j->out, &copy->out);
	return error;
}

/* Makes a PDF the standard input of tools. Returns false if memory is exhausted. */
static bool
become_input(struct span bytes)
{
	SCOPED_FD(fd, memfd_create("file", MFD_CLOEXEC));

	while (fd >= 0 && bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0)
			return false;
		bytes = span_cut(bytes, (size_t)n, bytes.n);
	}
	return fd >= 0 && dup2(fd, 0) == 0;
}

/* Reads the PDFs that the scan made: attached ones, and the copy of the document. */
static enum extract_error
read_inner_files(struct job *j, struct span said)
{
	SCOPED_FD(document, fcntl(0, F_DUPFD_CLOEXEC, 4));
	enum extract_error error = document < 0 ? EXTRACT_KILLED : EXTRACT_READ;
	struct span bytes;

	for (struct frame f; !error && next_frame(&said, &f, &bytes);) {
		struct job *other = calloc(1, sizeof(*other));
		if (!other || !become_input(bytes)) {
			free(other);
			error = EXTRACT_MEMORY;
			break;
		}
		other->order = j->order;
		other->until_us = j->until_us;
		error = f.kind == FRAME_FILE ? read_attached(j, other)
					     : read_shown(j, other, f.page);
		buf_free(&other->out);
		free(other);
	}
	return dup2(document, 0) < 0 && !error ? EXTRACT_KILLED : error;
}

static enum extract_error
read_pdf(struct job *j)
{
	SCOPED_BUF(text, 0);
	SCOPED_BUF(files, 0);
	enum extract_error error = scan_pdf(j, &files);

	error = error ? error : text_of_pages(j, &text);
	if (!error && files.n)
		error = read_inner_files(j, buf_view(&files));
	error = error ? error : look_at_empty(j);
	if (error)
		return error;
	if (j->order->ocr)
		error = ocr_pages(j);
	put_empty_pages(j);
	return error;
}

/* Returns true if a line may have a key, a number or an address: a long word, some digits or
 * an @. */
static bool
may_have_value(struct span line)
{
	enum { LONG_WORD = 12, SOME_DIGITS = 4 };
	size_t word = 0, digits = 0;

	for (size_t i = 0; i < line.n; i++) {
		word = line.p[i] == ' ' ? 0 : word + 1;
		digits += is_digit(line.p[i]);
		if (word == LONG_WORD || digits == SOME_DIGITS || line.p[i] == '@')
			return true;
	}
	return false;
}

/* The second reading of a picture is for values. Its other lines are those of the first one, or
 * patterns of the ground that look like words. */
static void
put_lines_with_values(struct job *j, struct span text)
{
	SCOPED_BUF(kept, 0);

	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (!may_have_value(line))
			continue;
		buf_span(&kept, line);
		buf_putc(&kept, '\n');
	}
	if (!kept.n)
		return;
	frame_put_text(&j->out, FRAME_TEXT, 1, buf_view(&kept));
	j->empty[1] = EMPTY_NO;
}

/* Writes the texts of a picture, which has several pages if it is a TIFF. */
static enum extract_error
put_pictured(struct job *j, struct span text)
{
	enum extract_error error = EXTRACT_READ;

	if (has_no_text(text)) {
		j->pages = 1;
		j->empty[1] = EMPTY_YES;
	} else {
		error = take_pages(j, text);
	}
	for (unsigned page = 1; page <= j->pages && !error; page++)
		if (j->empty[page] == EMPTY_NO)
			frame_put_text(&j->out, FRAME_TEXT, page, j->text[page]);
	return error;
}

static int
enlarge_document(struct buf *out)
{
	return enlarge_picture(map_document(), out) ? 0 : 1;
}

/* Reads a picture twice at the same time: as a page, whose layout and direction Tesseract
 * finds; and, if its letters are small, enlarged and line by line, as code and terminals are.
 */
static enum extract_error
read_picture(struct job *j)
{
	enum { AS_PAGE, AS_LINES, READINGS };
	const char *page[] = { "tesseract", "-", "-", "--psm", "1", "-l", languages, NULL };
	const char *lines[] = { "tesseract", "-", "-", "--psm", "6", "-l", languages, NULL };
	struct tool to =
		tool_of(j, JOB_TESSERACT, page, EXTRACT_TEXT_BYTES + EXTRACT_SLACK_BYTES);
	struct tool enlarged = { .call = enlarge_document,
		.cpu_s = EXTRACT_CPU_S,
		.out_bytes = ENLARGED_PIXELS + STEP };
	struct lane lanes[READINGS] = { 0 };
	enum extract_error error = picture_check(map_document());

	if (error)
		return error;
	lane_start(&lanes[AS_PAGE], NULL, &to, CAGE_COPY + AS_PAGE);
	to.argv = lines;
	lane_start(&lanes[AS_LINES], &enlarged, &to, CAGE_COPY + AS_LINES);
	while (lanes_wait(lanes, READINGS, j->until_us))
		;
	error = lanes[AS_PAGE].end.error;
	/* if it was not enlarged, Tesseract had nothing to read */
	bool has_lines = lanes[AS_LINES].before.error == EXTRACT_READ;
	enum extract_error second = has_lines ? lanes[AS_LINES].end.error : EXTRACT_READ;
	/* the first reading is whole; the second one looks for values that it missed */
	bool late = second == EXTRACT_TIMEOUT || second == EXTRACT_MEMORY ||
		    lanes[AS_LINES].before.error == EXTRACT_TIMEOUT;
	if (!error && !late)
		error = second;
	frame_put(&j->out, FRAME_OCR, 0, 0);
	if (!error)
		error = put_pictured(j, buf_view(&lanes[AS_PAGE].end.out));
	if (!error && late && j->empty[1] == EMPTY_YES)
		j->empty[1] = EMPTY_LATE;
	if (!error && has_lines && !late)
		put_lines_with_values(j, buf_view(&lanes[AS_LINES].end.out));
	put_empty_pages(j);
	for (size_t i = 0; i < READINGS; i++)
		lane_free(&lanes[i]);
	return error;
}

/* ---- Office documents and archives ---- */

/* Runs in a child of its own, because it parses a hostile file. */
static int
parse_document(struct buf *out)
{
	struct document d;

	document_read(map_document(), &d);
	if (d.error) {
		frame_put(out, FRAME_END, 0, d.error);
		return 0;
	}
	frame_put(out, FRAME_KIND, d.macros, d.kind);
	put_reasons(out, d.unread);
	buf_span(out, buf_view(&d.out));
	return 0;
}

static enum extract_error
read_office(struct job *j)
{
	return pass_frames(j, parse_document, EXTRACT_TEXT_BYTES + DOCUMENT_PLACES, NULL);
}

void
job_main(void *order)
{
	static struct job j;

	j.order = order;
	unsigned margin = j.order->budget_ms / 10;
	j.until_us = clock_mono_us() +
		     (j.order->budget_ms - (margin < MARGIN_MS ? margin : MARGIN_MS)) * 1000ull;
	signal(SIGPIPE, SIG_IGN);
	enum extract_error error = j.order->picture    ? read_picture(&j)
				   : j.order->document ? read_office(&j)
						       : read_pdf(&j);
	if (buf_failed(&j.out))
		error = EXTRACT_MEMORY;
	if (error)
		buf_clear(&j.out);
	frame_put(&j.out, FRAME_PAGES, 0, j.pages);
	frame_put(&j.out, FRAME_END, 0, error);
	while (j.out.n) {
		ssize_t n = write(CAGE_OUT, j.out.p + j.out.start, j.out.n);
		if (n <= 0)
			_exit(2);
		buf_consume(&j.out, (size_t)n);
	}
}

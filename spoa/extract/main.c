/* tollgate-extract reads the text of PDFs and pictures for the gate. It is a program of its
 * own, so that code that reads hostile files shares no memory with the daemon. The main program
 * reads the options, opens the socket, drops root and probes the cage.
 *
 * The probe at the start: a child with a tool's list of system calls, in a cage like that of a
 * file, tries what a tool under an attacker's control would try. If any attempt succeeds, the
 * program ends. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scoped.h"
#include "extract/cage.h"
#include "extract/frame.h"
#include "extract/server.h"
#include "net/listen.h"

/* ---- the probe of the cage ---- */

/* Each returns 0 if the attempt was refused with an error. An attempt that ends the process
 * does not return. */
static int
try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 0 : 1;
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? 0 : 1;
}

static int
try_exec(void)
{
	static char *const argv[] = { (char *)"true", NULL };

	execve("/usr/bin/true", argv, argv + 1);
	return 1;
}

static int
try_passwd(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT ? 0 : 1;
}

static int
try_processes(void)
{
	return open("/proc", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT && getppid() <= 1 ? 0
											    : 1;
}

static int
try_write(void)
{
	return open("/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 &&
			       open("/usr/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0
		       ? 0
		       : 1;
}

/* clang-format off */
static const struct {
	const char *name;
	int (*attempt)(void);
	bool kills; /* the attempt must end the process */
} attempts[] = {
	{ "a socket ends it",             try_socket,    true },
	{ "another process ends it",      try_fork,      true },
	{ "another program ends it",      try_exec,      true },
	{ "/etc/passwd is not there",     try_passwd,    false },
	{ "other processes are not seen", try_processes, false },
	{ "no file is written",           try_write,     false },
};
/* clang-format on */

static bool
attempt_fails(size_t i)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (filter_load(FILTER_TOOL))
			_exit(2);
		_exit(attempts[i].attempt());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (attempts[i].kills)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
attempt_all(void *order)
{
	SCOPED_BUF(b, 0);
	(void)order;
	if (getpid() != 1)
		frame_put_text(
			&b, FRAME_CAGE, 0, SPAN_LIT("it is not the first process of its own"));
	for (size_t i = 0; i < COUNT_OF(attempts); i++)
		frame_put(&b, FRAME_UNREAD, (unsigned)i, attempt_fails(i));
	if (write(CAGE_OUT, b.p + b.start, b.n) < 0)
		_exit(2);
}

/* Runs begin(order) in a cage to its end and reads its output. Returns false with errno if
 * there is no cage. */
static bool
in_cage(const struct cage *c, cage_main *begin, void *order, struct buf *said)
{
	int out[2], status;

	if (pipe2(out, O_CLOEXEC) < 0)
		return false;
	pid_t pid = cage_start(c, c->nothing, out[1], begin, order);
	int kept = errno;
	close(out[1]);
	if (pid > 0) {
		buf_fd(said, out[0]);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(out[0]);
	errno = kept;
	return pid > 0;
}

#define ADVICE                                                                                 \
	" (allow user namespaces to it: sysctl kernel.unprivileged_userns_clone=1, on Ubuntu " \
	"kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces above 0; a " \
	"unit "                                                                                \
	"without RestrictNamespaces; in Docker the seccomp profile "                           \
	"docker/extract-seccomp.json)"

/* Appends a line for each attempt, "ok - …" or "not ok - …". Returns false if one failed; *why
 * is then the reason and the correction. */
static bool
probe_cage(const struct cage *c, struct buf *lines, struct buf *why)
{
	SCOPED_BUF(said, 64 << 10);
	struct frame f;
	bool good = true;

	if (!in_cage(c, attempt_all, NULL, &said)) {
		buf_printf(why, "no namespaces: %s" ADVICE, strerror(errno));
		return false;
	}
	struct span s = buf_view(&said);
	size_t seen = 0;
	for (; s.n >= sizeof(f); seen++) {
		memcpy(&f, s.p, sizeof(f));
		s = span_cut(s, sizeof(f), s.n);
		if (f.kind == FRAME_CAGE) {
			buf_printf(why, "%.*s" ADVICE, SPAN_ARG(span_cut(s, 0, f.n)));
			return false;
		}
		const char *name = f.page < COUNT_OF(attempts) ? attempts[f.page].name : "";
		buf_printf(lines, "%s - %s\n", f.n ? "ok" : "not ok", name);
		if (!f.n && good)
			buf_printf(why, "the cage is not safe: it does not hold that %s", name);
		good = good && f.n;
	}
	if (seen != COUNT_OF(attempts) && good)
		buf_str(why, "the cage is not safe: its probe did not reach its end");
	return good && seen == COUNT_OF(attempts);
}

struct tool_probe {
	char path[128];
	const char *name;
};

static void
run_tool(void *order)
{
	const struct tool_probe *p = order;
	const char *argv[] = { p->name, "--help", NULL };
	char *none[] = { NULL };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (filter_place_path(p->path) < 0 || filter_load(FILTER_TOOL))
			_exit(127);
		execve(FILTER_PATH, (char *const *)argv, none);
		_exit(127);
	}
	/* the tool's own error would be lost in its process */
	int why = access(p->path, X_OK) < 0 ? errno : 0;
	bool runs = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		    WEXITSTATUS(status) != 127;
	SCOPED_BUF(b, 64);
	buf_printf(&b, "%d %d", runs, why);
	if (write(CAGE_OUT, b.p + b.start, b.n) < 0)
		_exit(2);
}

/* Returns true if the tool exists and runs in the cage. *why: the error number if its file
 * cannot be run, or 0. */
static bool
probe_tool(const struct cage *c, const char *folder, const char *name, int *why)
{
	uint64_t runs = 0, number = 0;

	SCOPED_BUF(said, 64);
	struct tool_probe p = { .name = name };

	snprintf(p.path, sizeof(p.path), "%s/%s", folder, name);
	bool done = in_cage(c, run_tool, &p, &said);
	struct span rest = buf_view(&said), word = span_next(&rest, ' ');
	if (!done || span_u64(word, &runs) || span_u64(rest, &number))
		runs = 0;
	*why = runs ? 0 : (int)number;
	return runs != 0;
}

/* ---- options and start ---- */

enum { EXIT_NO_CAGE = 1, EXIT_USAGE = 2, SYSTEMD_FD = 3, NOBODY_ID = 65534 };

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const char usage[] = "usage: tollgate-extract [--listen unix@PATH] [--mode 0660] "
			    "[--jobs N] [--languages L+L] [--tools DIR]\n"
			    "       tollgate-extract --check [--tools DIR]\n"
			    "       tollgate-extract --version | --help\n";

struct options {
	const char *listen, *tools;
	mode_t mode;
	unsigned jobs;
	bool check;
};

static int
wrong_option(const char *what, const char *value, const char *accepted)
{
	fprintf(stderr, "tollgate-extract: %s %s: %s\n%s", what, value, accepted, usage);
	return EXIT_USAGE;
}

static int
extract_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = { { "listen", 1, NULL, 'l' },
		{ "mode", 1, NULL, 'm' }, { "jobs", 1, NULL, 'j' },
		{ "languages", 1, NULL, 'L' }, { "tools", 1, NULL, 't' },
		{ "check", 0, NULL, 'c' }, { "version", 0, NULL, 'V' },
		{ "help", 0, NULL, 'h' }, { 0 } };
	char *end;
	unsigned long n;

	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (c) {
		case 'l':
			if (strncmp(optarg, "unix@/", 6) != 0)
				return wrong_option(
					"--listen", optarg, "unix@/PATH is accepted");
			o->listen = optarg;
			break;
		case 'm':
			n = strtoul(optarg, &end, 8);
			if (*end || !*optarg || n & ~0660ul || !(n & 0600))
				return wrong_option("--mode", optarg,
					"0600 or 0660 is accepted, never wider");
			o->mode = (mode_t)n;
			break;
		case 'j':
			n = strtoul(optarg, &end, 10);
			if (*end || n < 1 || n > EXTRACT_JOBS_MOST)
				return wrong_option("--jobs", optarg, "1 to 8 is accepted");
			o->jobs = (unsigned)n;
			break;
		case 'L':
			if (!*optarg || optarg[strspn(optarg, LETTERS "_+")])
				return wrong_option(
					"--languages", optarg, "as eng+deu is accepted");
			job_languages(optarg);
			break;
		case 't':
			if (*optarg != '/')
				return wrong_option(
					"--tools", optarg, "an absolute path is accepted");
			o->tools = optarg;
			break;
		case 'c': o->check = true; break;
		case 'V': printf("tollgate-extract %s\n", TG_VERSION); exit(0);
		case 'h': fputs(usage, stdout); exit(0);
		default: fputs(usage, stderr); return EXIT_USAGE;
		}
	}
	return optind < argc ? wrong_option("argument", argv[optind], "none is accepted") : 0;
}

/* Returns the socket that systemd opened (sd_listen_fds(3)), or -1. */
static int
from_systemd(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	int domain = 0, listens = 0;
	socklen_t size = sizeof(int);

	if (!pid || !n || strtol(pid, NULL, 10) != getpid() || strcmp(n, "1") != 0)
		return -1;
	if (getsockopt(SYSTEMD_FD, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
		domain != AF_UNIX ||
		getsockopt(SYSTEMD_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 ||
		!listens)
		return -1;
	fcntl(SYSTEMD_FD, F_SETFD, FD_CLOEXEC);
	fcntl(SYSTEMD_FD, F_SETFL, O_NONBLOCK);
	return SYSTEMD_FD;
}

static int
open_listener(const struct options *o)
{
	SCOPED_BUF(why, 1024);

	if (!o->listen) {
		int fd = from_systemd();
		if (fd < 0)
			fputs("tollgate-extract: --listen is missing, and systemd passed no "
			      "unix socket\n",
				stderr);
		return fd;
	}
	struct address a = { .path = o->listen + strlen("unix@"), .text = o->listen };
	int fd = listen_open(&a, o->mode, NULL, &why);
	if (fd < 0)
		fprintf(stderr, "tollgate-extract: %.*s\n", SPAN_ARG(buf_view(&why)));
	return fd;
}

/* Drops root, because root of the machine would be root outside of a cage. Root of a user
 * namespace without a user nobody (EINVAL) is not root of the machine. Returns false on
 * error. */
static bool
become_nobody(void)
{
	if (geteuid() != 0)
		return true;
	bool none = setgroups(0, NULL) == 0 && setresgid(NOBODY_ID, NOBODY_ID, NOBODY_ID) == 0;
	if (setresuid(NOBODY_ID, NOBODY_ID, NOBODY_ID) < 0)
		return errno == EINVAL;
	/* needed to write the uid_map of children */
	return none && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

/* Probes the cage and the tools. Returns 0 or an exit code. */
static int
try_cage(const struct options *o, struct server_setup *setup)
{
	SCOPED_BUF(lines, 0);
	SCOPED_BUF(why, 0);
	const char *folder = o->tools ? CAGE_TOOLS : "/usr/bin";

	setup->cage.tools = o->tools;
	setup->cage.nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (setup->cage.nothing < 0 || filter_init() < 0) {
		fprintf(stderr, "tollgate-extract: %s: %s\n",
			setup->cage.nothing < 0 ? "/dev/null" : "seccomp", strerror(errno));
		return EXIT_NO_CAGE;
	}
	bool good = probe_cage(&setup->cage, &lines, &why);
	if (o->check)
		printf("%.*s", SPAN_ARG(buf_view(&lines)));
	if (!good) {
		fprintf(stderr, "tollgate-extract: %.*s\n", SPAN_ARG(buf_view(&why)));
		return EXIT_NO_CAGE;
	}
	job_tools(folder);
	for (size_t i = 0; i < JOB_TOOLS; i++) {
		int missing;
		setup->tools[i] = probe_tool(&setup->cage, folder, job_tool_names[i], &missing);
		if (o->check)
			printf("%s - %s runs in the cage\n", setup->tools[i] ? "ok" : "not ok",
				job_tool_names[i]);
		if (o->check && missing)
			printf("#   %s/%s: %s\n", o->tools ? o->tools : folder,
				job_tool_names[i], strerror(missing));
		else if (!setup->tools[i])
			log_event(LOG_WARN, "extract.no_tool", LS("tool", job_tool_names[i]));
	}
	if (!o->check)
		return 0;
	return setup->tools[JOB_PDFTOTEXT] && setup->tools[JOB_PDFTOHTML] &&
			       setup->tools[JOB_PDFTOPPM]
		       ? 0
		       : EXIT_NO_CAGE;
}

static unsigned
cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > EXTRACT_JOBS_MOST ? EXTRACT_JOBS_MOST : (unsigned)n;
}

int
main(int argc, char **argv)
{
	struct options o = { .mode = 0660, .jobs = cores() };
	struct server_setup setup = { 0 };
	int err = extract_options(argc, argv, &o);

	if (err)
		return err;
	log_setup(LOG_LOGFMT, LOG_INFO);
	int listener = o.check ? -1 : open_listener(&o);
	if (!o.check && listener < 0)
		return EXIT_USAGE;
	if (!become_nobody()) {
		fprintf(stderr, "tollgate-extract: becoming nobody: %s\n", strerror(errno));
		return EXIT_NO_CAGE;
	}
	setup.jobs = o.jobs;
	err = try_cage(&o, &setup);
	if (err || o.check)
		return err;
	log_event(LOG_INFO, "extract.started", LS("version", TG_VERSION), LI("jobs", o.jobs));
	return extract_serve(listener, &setup);
}

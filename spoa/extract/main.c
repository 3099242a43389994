/* tollgate-extract reads the text of PDFs and pictures for the gate. It is a program of its
 * own, so that code that reads hostile files shares no memory with the daemon. The main program
 * reads the options, opens the socket, drops root and probes the cage. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scoped.h"
#include "extract/cage.h"
#include "extract/probe.h"
#include "extract/server.h"
#include "net/listen.h"

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

/* A compromised tool in place of pdftotext, pdftoppm and tesseract in tests/e2e/extract.sh. It
 * performs the action that the document names after "do:" and prints the result as a page. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void
say(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

static void
opens(const char *file, int flags)
{
	say(file, open(file, flags, 0600));
}

static void
do_socket(void)
{
	say("socket", socket(AF_INET, SOCK_STREAM, 0));
}

static void
do_unix(void)
{
	say("unix socket", socket(AF_UNIX, SOCK_STREAM, 0));
}

static void
do_fork(void)
{
	say("fork", fork());
}

static void
do_exec(void)
{
	static char *const argv[] = { (char *)"true", NULL };

	say("exec", execv("/usr/bin/true", argv));
}

/* The path of this program was in its first memory. */
static void
do_exec_again(void)
{
	static char *const argv[] = { (char *)"true", NULL };
	char *at = mmap((void *)0x10000, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	say("mmap", at == MAP_FAILED ? -1 : 0);
	strcpy(at, "/usr/bin/true");
	execv(at, argv);
}

static void
do_ptrace(void)
{
	say("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static void
do_code(void)
{
	say("code", mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0) == MAP_FAILED
			    ? -1
			    : 0);
}

static void
do_files(void)
{
	static const char *const files[] = { "/etc/passwd", "/proc/1/environ", "/home", "/root",
		"/run", "/tmp", "/var", "/dev/null", "/sys" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		opens(files[i], O_RDONLY);
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("descriptor %d is open\n", fd);
	printf("user %d, process %d of %d, %s\n", getuid(), getpid(), getppid(),
		getenv("PATH") ? "an environment" : "no environment");
}

static void
do_write(void)
{
	opens("/x", O_WRONLY | O_CREAT);
	opens("/usr/x", O_WRONLY | O_CREAT);
	opens("/usr/bin/true", O_RDWR);
	say("unlink", unlink("/usr/bin/true"));
	say("truncate", open("/usr/bin/true", O_RDONLY | O_TRUNC));
}

static void
do_document(void)
{
	say("the document", write(0, "x", 1));
}

static void
do_memory(void)
{
	for (int i = 0; i < 2048; i++) {
		char *p = malloc(1 << 20);
		if (!p) {
			fputs("Out of memory\n", stderr);
			exit(1);
		}
		*p = 1;
	}
	say("two gigabytes", 0);
}

static void
do_huge(void)
{
	static char page[1 << 20];

	memset(page, 'x', sizeof(page));
	for (int i = 0; i < 1024; i++)
		fwrite(page, 1, sizeof(page), stdout);
}

static void
do_noise(void)
{
	for (int i = 0; i < 1 << 14; i++)
		fputs("an error message of some length\n", stderr);
	puts("noise: done");
}

static void
do_hang(void)
{
	for (;;)
		pause();
}

static void
do_sleep(void)
{
	while (sleep(1) == 0)
		;
}

static void
do_spin(void)
{
	for (;;)
		__asm__ volatile("");
}

static void
do_crash(void)
{
	raise(SIGSEGV);
}

static void
do_bytes(void)
{
	printf("bad \xff\xfe bytes \x01\n");
}

/* clang-format off */
static const struct {
	const char *word;
	void (*act)(void);
} acts[] = {
	{ "socket", do_socket }, { "unix", do_unix }, { "fork", do_fork }, { "exec", do_exec },
	{ "again", do_exec_again }, { "ptrace", do_ptrace }, { "code", do_code }, { "files", do_files },
	{ "write", do_write }, { "document", do_document }, { "memory", do_memory }, { "huge", do_huge }, { "noise", do_noise },
	{ "hang", do_hang }, { "sleep", do_sleep }, { "spin", do_spin }, { "crash", do_crash },
	{ "bytes", do_bytes },
};
/* clang-format on */

int
main(void)
{
	static char document[1 << 16];
	size_t n = fread(document, 1, sizeof(document) - 1, stdin);
	const char *at = n ? strstr(document, "do:") : NULL;

	for (size_t i = 0; at && i < sizeof(acts) / sizeof(*acts); i++)
		if (!strncmp(at + 3, acts[i].word, strlen(acts[i].word)))
			acts[i].act();
	puts("\f");
	return 0;
}

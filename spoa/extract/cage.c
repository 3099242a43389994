/* The sandbox of a file, called a cage, in two parts.
 *
 * The first part has the lists of allowed system calls, made with libseccomp. They contain the
 * calls that pdftotext, pdftohtml, pdftoppm, tesseract and libqpdf make on Debian 12 and 13 (seen with
 * strace), and those that glibc uses after an ENOSYS.
 *
 * A tool's list is loaded before its execve, so it must allow that call. It is allowed with one
 * address only for its path, FILTER_PATH. execve gives a process new memory, and nothing can be
 * mapped at that address again: the list does not allow mmap with a low address, MAP_FIXED at 0
 * or MAP_GROWSDOWN, nor mremap with an address. So the first execve is also the last one.
 *
 * The second part sets up the cage: namespaces(7), pivot_root(2), mount_setattr(2). The child
 * does this itself. It is process 1 of its PID namespace, so killing it kills all processes of
 * the cage. */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "extract/cage.h"
#include "base/scoped.h"
#include "extract/frame.h"

#define CALL(name) SCMP_SYS(name)

/* clang-format off */
/* Calls for both lists. */
static const int of_all[] = {
	CALL(read), CALL(readv), CALL(pread64), CALL(write), CALL(writev), CALL(lseek), CALL(close),
	CALL(access), CALL(faccessat), CALL(faccessat2), CALL(stat), CALL(lstat),
	CALL(fstat), CALL(newfstatat), CALL(statx), CALL(statfs), CALL(fstatfs), CALL(readlink), CALL(readlinkat),
	CALL(getdents64), CALL(fadvise64), CALL(getcwd), CALL(fcntl),
	CALL(munmap), CALL(brk), CALL(madvise), CALL(membarrier),
	CALL(futex), CALL(set_robust_list), CALL(set_tid_address), CALL(rseq), CALL(arch_prctl),
	CALL(getrandom), CALL(getrlimit), CALL(sysinfo), CALL(uname), CALL(sched_getaffinity),
	CALL(sched_yield), CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep),
	CALL(gettimeofday), CALL(time), CALL(getrusage), CALL(times),
	CALL(getpid), CALL(gettid), CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid),
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack), CALL(tgkill),
	CALL(restart_syscall), CALL(exit), CALL(exit_group),
};
/* Calls for process 1 of a cage only. */
static const int of_job[] = {
	CALL(pipe2), CALL(dup2), CALL(dup3), CALL(poll), CALL(ppoll), CALL(wait4), CALL(kill),
	CALL(prctl), CALL(seccomp), CALL(setrlimit), CALL(prlimit64), CALL(mmap), CALL(mprotect), CALL(mremap),
	CALL(execve), CALL(close_range), CALL(memfd_create),
};
/* Harmless calls that libraries make but do not need (fontconfig's cache, start of threads).
 * They return an error instead of ending the process. */
static const struct { int call, error; } refused[] = {
	{ CALL(clone3), ENOSYS }, { CALL(open), ENOSYS }, { CALL(link), EPERM }, { CALL(unlink), EPERM }, { CALL(rename), EPERM },
	{ CALL(mkdir), EPERM }, { CALL(chmod), EPERM }, { CALL(linkat), EPERM }, { CALL(unlinkat), EPERM },
	{ CALL(renameat), EPERM }, { CALL(renameat2), EPERM }, { CALL(mkdirat), EPERM }, { CALL(fchmodat), EPERM },
	{ CALL(utimensat), EPERM }, { CALL(sched_setaffinity), EPERM },
};
/* clang-format on */

enum {
	NEW_NAMESPACE = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
			CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
	LOWEST_MAP = 1 << 20,
	PLACED = MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN,
	TO_WRITE = O_WRONLY | O_RDWR | O_CREAT,
};

/* A call with conditions on its arguments. All must be true. */
struct rule {
	int call, error; /* 0: allowed */
	unsigned n;
	struct scmp_arg_cmp args[3];
};

/* clang-format off */
#define ARG(at, is, a, b) { (at), SCMP_CMP_##is, (a), (b) }
#define ALL_ZERO(at, bits) ARG(at, MASKED_EQ, bits, 0)
#define DATA       ALL_ZERO(2, PROT_EXEC)
#define CODE       ARG(2, MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_EXEC)
#define ANYWHERE   ARG(0, EQ, 0, 0)
#define NOT_PLACED ALL_ZERO(3, PLACED)
#define HIGH       ARG(0, GE, LOWEST_MAP, 0)
#define NO_GROWING ALL_ZERO(3, MAP_GROWSDOWN)

/* Files may be opened for reading only. A program that asks for its terminal gets ENOTTY. */
static const struct rule rules_of_all[] = {
	{ CALL(openat), 0,     1, { ALL_ZERO(2, TO_WRITE) } },
	{ CALL(openat), EROFS, 1, { ARG(2, MASKED_EQ, O_WRONLY, O_WRONLY) } },
	{ CALL(openat), EROFS, 1, { ARG(2, MASKED_EQ, O_RDWR, O_RDWR) } },
	{ CALL(openat), EROFS, 1, { ARG(2, MASKED_EQ, O_CREAT, O_CREAT) } },
	{ CALL(ioctl),  ENOTTY, 1, { ARG(1, EQ, TCGETS, 0) } },
};
static const struct rule rules_of_job[] = {
	{ CALL(clone), 0, 1, { ALL_ZERO(0, NEW_NAMESPACE) } },
};
/* Memory is writable or executable, never both, and never at a low address. Limits can be read,
 * not set. */
static const struct rule rules_of_tool[] = {
	{ CALL(mmap),      0,     3, { DATA, ANYWHERE, NOT_PLACED } },
	{ CALL(mmap),      0,     3, { CODE, ANYWHERE, NOT_PLACED } },
	{ CALL(mmap),      0,     3, { DATA, HIGH, NO_GROWING } },
	{ CALL(mmap),      0,     3, { CODE, HIGH, NO_GROWING } },
	{ CALL(mprotect),  0,     1, { DATA } },
	{ CALL(mremap),    0,     1, { ARG(3, LE, MREMAP_MAYMOVE, 0) } },
	{ CALL(execve),    0,     1, { ARG(0, EQ, (uintptr_t)FILTER_PATH, 0) } },
	{ CALL(prlimit64), 0,     1, { ARG(2, EQ, 0, 0) } },
	{ CALL(prlimit64), EPERM, 1, { ARG(2, NE, 0, 0) } },
};
/* clang-format on */

static int
allow_calls(scmp_filter_ctx s, const int *calls, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = seccomp_rule_add(s, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

static int
add_rules(scmp_filter_ctx s, const struct rule *r, size_t n)
{
	int err = 0;

	for (; n-- && !err; r++)
		err = seccomp_rule_add_array(s,
			r->error ? SCMP_ACT_ERRNO((uint16_t)r->error) : SCMP_ACT_ALLOW, r->call,
			r->n, r->args);
	return err;
}

static int
fill_filter(scmp_filter_ctx s, enum filter which)
{
	int err = allow_calls(s, of_all, COUNT_OF(of_all));

	for (size_t i = 0; i < COUNT_OF(refused) && !err; i++)
		err = seccomp_rule_add(
			s, SCMP_ACT_ERRNO((uint16_t)refused[i].error), refused[i].call, 0);
	err = err ? err : add_rules(s, rules_of_all, COUNT_OF(rules_of_all));
	if (err || which == FILTER_TOOL)
		return err ? err : add_rules(s, rules_of_tool, COUNT_OF(rules_of_tool));
	err = allow_calls(s, of_job, COUNT_OF(of_job));
	return err ? err : add_rules(s, rules_of_job, COUNT_OF(rules_of_job));
}

/* The lists in the form of the kernel, made once at the start. */
static struct sock_fprog programs[2];

/* libseccomp writes a program to a file only, so a memfd is used. */
static int
export_program(scmp_filter_ctx s, struct sock_fprog *to)
{
	SCOPED_BUF(b, 1 << 20);
	SCOPED_FD(fd, memfd_create("filter", MFD_CLOEXEC));
	int err = fd < 0 ? -errno : seccomp_export_bpf(s, fd);

	if (!err && (lseek(fd, 0, SEEK_SET) < 0 || buf_fd(&b, fd) < 0))
		err = -EIO;
	to->len = (unsigned short)(b.n / sizeof(*to->filter));
	to->filter = err ? NULL : malloc(b.n);
	if (!to->filter)
		return err ? err : -ENOMEM;
	memcpy(to->filter, b.p + b.start, b.n);
	return 0;
}

int
filter_init(void)
{
	int err = 0;

	for (enum filter which = FILTER_JOB; which <= FILTER_TOOL && !err; which++) {
		scmp_filter_ctx s = seccomp_init(SCMP_ACT_KILL_PROCESS);
		err = s ? fill_filter(s, which) : -ENOMEM;
		err = err ? err : export_program(s, &programs[which]);
		if (s)
			seccomp_release(s);
	}
	errno = -err;
	return err ? -1 : 0;
}

const char *
filter_load(enum filter which)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &programs[which]) == 0)
		return NULL;
	return "the list of system calls (seccomp)";
}

int
filter_place_path(const char *path)
{
	char *at = mmap(FILTER_PATH, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (at != FILTER_PATH || strlen(path) >= 4096)
		return -1;
	memcpy(at, path, strlen(path) + 1);
	return 0;
}

/* ---- the cage ---- */

enum {
	OUTSIDE = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		  CLONE_NEWUTS | CLONE_NEWCGROUP,
	NOBODY = 65534,
	CAPS_MOST = 63, /* highest number of a capability */
};

/* The place of the new root: a folder that every machine has. Its own content is hidden by
 * the mount. */
#define LAYOUT "/tmp"

/* Reports the failed step to the server and ends. */
static _Noreturn void
cage_failed(int out, const char *step)
{
	SCOPED_BUF(why, 0);
	SCOPED_BUF(b, 0);

	buf_printf(&why, "%s: %s", step, strerror(errno));
	frame_put_text(&b, FRAME_CAGE, 0, buf_view(&why));
	if (write(out, b.p + b.start, b.n) < 0)
		_exit(2);
	_exit(1);
}

static bool
write_proc(const char *file, const char *text)
{
	SCOPED_FD(fd, open(file, O_WRONLY | O_CLOEXEC));
	size_t n = strlen(text);

	return fd >= 0 && write(fd, text, n) == (ssize_t)n;
}

/* Maps the process to nobody inside the cage (user_namespaces(7)). Returns NULL, or the file
 * that could not be written. */
static const char *
map_nobody(uid_t uid, gid_t gid)
{
	char line[64];

	if (!write_proc("/proc/self/setgroups", "deny"))
		return "/proc/self/setgroups";
	snprintf(line, sizeof(line), "%d %u 1", NOBODY, uid);
	if (!write_proc("/proc/self/uid_map", line))
		return "/proc/self/uid_map";
	snprintf(line, sizeof(line), "%d %u 1", NOBODY, gid);
	return write_proc("/proc/self/gid_map", line) ? NULL : "/proc/self/gid_map";
}

/* Mounts a folder of the machine read-only. */
static bool
bind_folder(const char *from, const char *to)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV };

	return mkdir(to, 0755) == 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0 &&
	       syscall(SYS_mount_setattr, AT_FDCWD, to, AT_RECURSIVE, &attr, sizeof(attr)) == 0;
}

/* Creates /lib and similar folders: links into /usr, or mounts on older machines where they are
 * folders. */
static bool
bind_like_root(const char *name)
{
	char from[32], to[64], link[64];

	snprintf(from, sizeof(from), "/%s", name);
	snprintf(to, sizeof(to), LAYOUT "/%s", name);
	ssize_t n = readlink(from, link, sizeof(link) - 1);
	if (n < 0)
		return errno == ENOENT || (errno == EINVAL && bind_folder(from, to));
	link[n] = 0;
	return symlink(link, to) == 0;
}

/* Builds the new root and makes it the root of the process. Returns NULL, or the failed
 * step. */
static const char *
make_root(const struct cage *c)
{
	static const char *const like_root[] = { "lib", "lib64", "bin" };

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "making mounts private";
	/* opened before LAYOUT is covered by the mount, because the folder may be below
	 * LAYOUT */
	int tools = c->tools ? open(c->tools, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (c->tools && tools < 0)
		return c->tools;
	if (mount("tmpfs", LAYOUT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    "size=64k,nr_inodes=32,mode=755") < 0)
		return "mounting an empty root";
	if (!bind_folder("/usr", LAYOUT "/usr"))
		return "mounting /usr";
	for (size_t i = 0; i < COUNT_OF(like_root); i++)
		if (!bind_like_root(like_root[i]))
			return like_root[i];
	char from[64];
	snprintf(from, sizeof(from), "/proc/self/fd/%d", tools);
	if (tools >= 0 && !bind_folder(from, LAYOUT CAGE_TOOLS))
		return "mounting --tools";
	if (chdir(LAYOUT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return "pivot_root";
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return "leaving the machine's root";
	if (mount(NULL, "/", NULL,
		    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    NULL) < 0)
		return "making the root read-only";
	return NULL;
}

static const char *
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return "no_new_privs";
	for (unsigned long cap = 0; cap <= CAPS_MOST; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return "dropping a capability permanently";
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return "dropping ambient capabilities";
	return syscall(SYS_capset, &head, none) < 0 ? "dropping capabilities" : NULL;
}

/* Sets the limits of process 1 and its children; a tool gets lower ones (extract/job.c). */
static const char *
set_limits(void)
{
	static const struct {
		__rlimit_resource_t what;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_AS, EXTRACT_ADDRESS_SPACE },
		{ RLIMIT_FSIZE, EXTRACT_SCAN_BYTES }, /* a memfd of process 1; 0 for tools */
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, CAGE_COPY + 5 * EXTRACT_LANES + 12 },
		/* two for each page that is read, process 1, and one that ends */
		{ RLIMIT_NPROC, 2 * EXTRACT_LANES + 2 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_CPU, EXTRACT_OCR_CPU_S + 2 },
	};

	/* callers who wait for a decision have priority */
	if (setpriority(PRIO_PROCESS, 0, 10) < 0)
		return "priority";
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		struct rlimit r = { limits[i].most, limits[i].most };
		if (setrlimit(limits[i].what, &r) < 0)
			return "limits";
	}
	return NULL;
}

/* Arranges the descriptors as cage_main() expects them, and closes all others. */
static void
only_these(int document, int out, int nothing)
{
	int from[CAGE_COPY + EXTRACT_LANES] = { document, nothing, nothing, out };
	int high[COUNT_OF(from)];
	char path[32];

	/* opened again, because descriptors of one opening share their offset */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", document);
	for (size_t i = CAGE_COPY; i < COUNT_OF(from); i++)
		from[i] = open(path, O_RDONLY | O_CLOEXEC);
	/* first above all target numbers, so that no descriptor is overwritten before it is
	 * used */
	for (size_t i = 0; i < COUNT_OF(from); i++)
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, COUNT_OF(from));
	for (size_t i = 0; i < COUNT_OF(from); i++)
		if (high[i] < 0 || dup3(high[i], (int)i, i > 2 ? O_CLOEXEC : 0) < 0)
			_exit(2);
	if (close_range(COUNT_OF(from), ~0u, 0) < 0)
		_exit(2);
}

/* The child: sets up the cage and runs begin(). */
static _Noreturn void
caged(const struct cage *c, uid_t uid, gid_t gid, cage_main *begin, void *order)
{
	const char *failed;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if ((failed = map_nobody(uid, gid)) || (failed = make_root(c)) ||
		(failed = set_limits()) || (failed = drop_capabilities()) ||
		(failed = filter_load(FILTER_JOB)))
		cage_failed(CAGE_OUT, failed);
	begin(order);
	_exit(0);
}

pid_t
cage_start(const struct cage *c, int document, int out, cage_main *begin, void *order)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t pid = (pid_t)syscall(SYS_clone, OUTSIDE | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		only_these(document, out, c->nothing);
		caged(c, uid, gid, begin, order);
	}
	return pid;
}

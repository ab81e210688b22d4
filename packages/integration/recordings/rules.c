/*
 * Lives many short random lives, each in a separate child: maps, touches, unmaps, protects, moves, advises, forks. Each child
 * ends by exit(), so that the kernel's account of its page tables is recorded. Usage: rules SEED CHILDREN STEPS
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define TABLE (512 * PAGE)
#define BASE 0x200000000000ul

static uint64_t state;
static sigjmp_buf after_signal;
static int memfd;

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % n;
}

static void on_signal(int number)
{
	siglongjmp(after_signal, number);
}

/* A page in one of some places that share tables of all levels or none; every other one begins a table. */
static unsigned long place(void)
{
	unsigned long at = BASE + ((unsigned long)below(3) << (below(2) ? 30 : 39)) + below(4096) * PAGE;
	return below(2) ? at : at & ~(TABLE - 1);
}

static unsigned long length(void)
{
	switch (below(5)) {
	case 0: return PAGE;
	case 1: return (1 + below(64)) * PAGE;
	case 2: return TABLE;
	case 3: return (1 + below(2000)) * PAGE;
	default: return (1 + below(4)) * TABLE;
	}
}

static int rights(void)
{
	if (below(6) == 0)
		return PROT_NONE;
	return below(4) == 0 ? PROT_READ : PROT_READ | PROT_WRITE;
}

static void map(unsigned long at)
{
	static const int kinds[] = { MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED, MAP_PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS };
	int flags = kinds[below(8) > 3 ? 3 : below(4)];
	if (flags == (MAP_PRIVATE | MAP_ANONYMOUS) && below(12) == 0)
		flags |= MAP_GROWSDOWN;
	if (below(8) == 0)
		flags |= MAP_POPULATE;
	if (below(10) == 0)
		flags |= MAP_NORESERVE;
	if (below(5))
		flags |= MAP_FIXED;
	mmap((void *)at, length(), rights(), flags, flags & MAP_ANONYMOUS ? -1 : memfd, 0);
}

static void touch(unsigned long at)
{
	int write = below(2), count = 1 + below(20);
	for (int i = 0; i < count; i++) {
		if (sigsetjmp(after_signal, 1) == 0) {
			if (write)
				*(volatile char *)at = 1;
			else
				(void)*(volatile char *)at;
		}
		at += below(3) ? PAGE : below(2) ? TABLE : 16 * PAGE;
	}
}

static void move(unsigned long at)
{
	unsigned long size = length(), other = place();
	switch (below(4)) {
	case 0: mremap((void *)at, size, length(), 0); break;
	case 1: mremap((void *)at, size, length(), MREMAP_MAYMOVE); break;
	case 2: mremap((void *)at, size, length(), MREMAP_MAYMOVE | MREMAP_FIXED, (void *)other); break;
	default: mremap((void *)at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | 4 /* DONTUNMAP */, (void *)other);
	}
}

static void advise(unsigned long at)
{
	static const int advice[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK,
		MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_SEQUENTIAL, MADV_NORMAL, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE };
	madvise((void *)at, length(), advice[below(sizeof advice / sizeof *advice)]);
}

static void grow_or_shrink_heap(void)
{
	static char *start;
	char *end = sbrk(0);
	if (!start)
		start = end;
	if (below(3)) {
		sbrk((1 + below(3000)) * PAGE);
		touch((unsigned long)end);
	} else {
		sbrk(-(intptr_t)(below((end - start) / PAGE + 1) * PAGE));
	}
}

static void live(int depth, int steps)
{
	for (int i = 0; i < steps; i++) {
		unsigned long at = place();
		int what = below(100), status;
		pid_t child;
		if (what < 20)
			map(at);
		else if (what < 48)
			touch(at);
		else if (what < 58)
			munmap((void *)at, length());
		else if (what < 66) {
			/* mprotect that meets a hole stops there; msync reports holes and changes nothing. */
			unsigned long size = length();
			if (msync((void *)at, size, MS_ASYNC) == 0)
				mprotect((void *)at, size, rights());
		} else if (what < 76)
			move(at);
		else if (what < 88)
			advise(at);
		else if (what < 92)
			grow_or_shrink_heap();
		else if (what < 97 && depth < 3) {
			child = fork();
			if (child == 0) {
				state ^= 0x9e3779b97f4a7c15ul * (i + 1);
				live(depth + 1, below(15));
				exit(0);
			}
			if (below(2))
				waitpid(child, &status, 0);
		} else {
			child = vfork();
			if (child == 0)
				_exit(0);
			waitpid(child, &status, 0);
		}
	}
}

int main(int count, char **values)
{
	struct sigaction action;
	if (count != 4)
		return 2;
	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	action.sa_flags = SA_NODEFER;
	sigaction(SIGSEGV, &action, 0);
	sigaction(SIGBUS, &action, 0);
	memfd = syscall(SYS_memfd_create, "rules", 0);
	ftruncate(memfd, 64 << 20);
	for (int i = 0; i < atoi(values[2]); i++) {
		int status;
		pid_t child = fork();
		if (child == 0) {
			state = atol(values[1]) * 1000003ul + i * 7919ul + 12345;
			live(0, 1 + i % atoi(values[3]));
			exit(0);
		}
		waitpid(child, &status, 0);
	}
	while (wait(0) > 0)
		;
	return 0;
}

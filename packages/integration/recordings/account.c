/*
 * Preloaded into every process of a workload that is recorded: at exit() it appends the kernel's own account of the process to
 * the file that VMPTE_FILE names, a line `pid ppid name VmPTE VmRSS minor-faults`.
 *
 * Pages that this code faulted in between reading the account and exit_group would be in the recording and not in the
 * account, so it calls nothing of the C library there but write and close, and touches its pages before.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static char status[4096], line[256];
static const char *file;

__attribute__((constructor)) static void at_start(void)
{
	file = getenv("VMPTE_FILE");
}

/* The text after a key at the start of a line. */
static const char *field(const char *key)
{
	for (const char *at = status; *at; at++) {
		const char *k = key, *p = at;
		if (at != status && at[-1] != '\n')
			continue;
		while (*k && *p == *k)
			k++, p++;
		if (*k)
			continue;
		while (*p == ' ' || *p == '\t')
			p++;
		return p;
	}
	return "";
}

__attribute__((destructor)) static void at_end(void)
{
	static const char *keys[] = { "Pid:", "PPid:", "Name:", "VmPTE:", "VmRSS:" };
	int out, in, length, used = 0;

	if (!file)
		return;
	out = open(file, O_WRONLY | O_APPEND | O_CREAT, 0644);
	in = open("/proc/self/status", O_RDONLY);
	for (unsigned i = 0; i < sizeof status; i += 512)
		((volatile char *)status)[i] = 0;
	((volatile char *)line)[0] = 0;
	write(out, line, 0);
	close(-1);
	length = read(in, status, sizeof status - 1);
	if (length <= 0)
		return;
	status[length] = 0;
	for (int i = 0; i < 5; i++) {
		const char *p = field(keys[i]);
		while (*p && *p != '\n' && (i == 2 || *p != ' '))
			line[used++] = *p++;
		line[used++] = ' ';
	}
	line[used++] = '0';
	line[used++] = '\n';
	write(out, line, used);
	close(out);
	close(in);
}

/* Lets a host look as if its processor had AMX, to a program that is traced by ptrace().
 *
 * There the XSAVE area is 11,008 bytes long: reading it into less gives its beginning, writing takes the whole or
 * fails with EFAULT. What lies behind this processor's own area reads as 0, and is not kept.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NT_X86_XSTATE 0x202
#define WHOLE 11008

static long registers(int request, pid_t pid, struct iovec *area)
{
	static unsigned char buffer[WHOLE];
	struct iovec own = {buffer, WHOLE};

	memset(buffer, 0, WHOLE);
	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &own))
		return -1;
	if (request == PTRACE_GETREGSET) {
		if (area->iov_len > WHOLE)
			area->iov_len = WHOLE;
		memcpy(area->iov_base, buffer, area->iov_len);
		return 0;
	}
	if (area->iov_len < WHOLE) {
		errno = EFAULT;
		return -1;
	}
	own.iov_base = area->iov_base;
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &own);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	pid_t pid;
	void *address, *data;
	long word, result;

	va_start(arguments, request);
	pid = va_arg(arguments, pid_t);
	address = va_arg(arguments, void *);
	data = va_arg(arguments, void *);
	va_end(arguments);
	if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) && (long)address == NT_X86_XSTATE)
		return registers(request, pid, data);
	if (request != PTRACE_PEEKTEXT && request != PTRACE_PEEKDATA && request != PTRACE_PEEKUSER)
		return syscall(SYS_ptrace, request, pid, address, data);
	result = syscall(SYS_ptrace, request, pid, address, &word); /* these return the word itself */
	return result < 0 ? result : (errno = 0, word);
}

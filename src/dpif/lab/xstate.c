/* A library in front of ptrace(), for a program that keeps less of a processor's registers than the processor has.
 *
 * Older user-mode Linux saves and restores the registers of its processes by PTRACE_GETREGSET and PTRACE_SETREGSET of
 * NT_X86_XSTATE, in a buffer of 2,696 bytes. Where the processor has AMX the area is four times as long. The host
 * reads the beginning of it into a buffer that is too short, but takes nothing less than the whole back (EFAULT).
 *
 * So a write that is too short is completed here: the whole area is read, what was given is put in front, and the
 * whole is written. What lies behind stays as it is. All other calls go through.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

/* Larger than any area of today's processors (11,008 bytes with AMX). A multiple of 8, as the kernel wants it. */
#define ROOM 65536

typedef long ptrace_call(int request, pid_t pid, void *address, void *data);

/* Found before the program starts: later it runs on stacks, and with a malloc(), of its own. */
static ptrace_call *next;

__attribute__((constructor)) static void find_next(void)
{
	next = (ptrace_call *)dlsym(RTLD_NEXT, "ptrace");
	if (!next)
		abort();
}

/* Write `given` in front of the rest of the registers of `pid`. Only one thread of the program calls ptrace(). */
static long write_registers(pid_t pid, void *kind, struct iovec *given)
{
	static unsigned char whole[ROOM];
	struct iovec area = {whole, sizeof(whole)};

	if (next(PTRACE_GETREGSET, pid, kind, &area) || area.iov_len <= given->iov_len)
		return next(PTRACE_SETREGSET, pid, kind, given);
	memcpy(whole, given->iov_base, given->iov_len);
	return next(PTRACE_SETREGSET, pid, kind, &area);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	pid_t pid;
	void *address, *data;

	va_start(arguments, request);
	pid = va_arg(arguments, pid_t);
	address = va_arg(arguments, void *);
	data = va_arg(arguments, void *);
	va_end(arguments);
	if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE)
		return write_registers(pid, address, data);
	return next(request, pid, address, data);
}

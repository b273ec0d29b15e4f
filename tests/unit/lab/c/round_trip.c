/* A process whose registers are read, changed and written by another one that keeps less than the processor has.
 *
 * The child fills XMM14 and YMM15, and stops. Its parent reads the first 576 bytes of its XSAVE area (x87, SSE and the
 * header, not the upper half of YMM15), changes XMM14 in there, and writes the same bytes back. The child must
 * find the new XMM14, and all of the old YMM15.
 *
 * Prints what went wrong; the status is 0 when all was right, 2 when the write was refused.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif
#define KEPT 576
#define XMM14 (160 + 14 * 16)

static const uint8_t old[32] = "old xmm: 16 byteand upper half..", new[16] = "new xmm14: 16 by";

static int child(int has_avx)
{
	uint8_t xmm[16], ymm[32] = {0};
	long pid = getpid();

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	if (has_avx)
		asm volatile("movdqu (%2), %%xmm14\n vmovdqu (%2), %%ymm15\n"
			     "mov %3, %%rax\n mov %4, %%rdi\n mov %5, %%rsi\n syscall\n"
			     "vmovdqu %%ymm15, (%1)\n movdqu %%xmm14, (%0)"
			     : : "r"(xmm), "r"(ymm), "r"(old), "i"(SYS_kill), "r"(pid), "i"(SIGSTOP)
			     : "rax", "rcx", "rdi", "rsi", "r11", "memory", "xmm14", "xmm15");
	else
		asm volatile("movdqu (%2), %%xmm14\n movdqu (%2), %%xmm15\n"
			     "mov %3, %%rax\n mov %4, %%rdi\n mov %5, %%rsi\n syscall\n"
			     "movdqu %%xmm15, (%1)\n movdqu %%xmm14, (%0)"
			     : : "r"(xmm), "r"(ymm), "r"(old), "i"(SYS_kill), "r"(pid), "i"(SIGSTOP)
			     : "rax", "rcx", "rdi", "rsi", "r11", "memory", "xmm14", "xmm15");
	return (memcmp(xmm, new, 16) ? 1 : 0) + (memcmp(ymm, old, has_avx ? 32 : 16) ? 10 : 0);
}

int main(void)
{
	static uint8_t registers[KEPT];
	struct iovec area = {registers, KEPT};
	int has_avx = __builtin_cpu_supports("avx"), status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(child(has_avx));
	waitpid(pid, &status, 0);
	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &area) || area.iov_len != KEPT) {
		perror("reading");
		return 1;
	}
	memcpy(registers + XMM14, new, sizeof(new));
	if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &area)) {
		perror("writing");
		kill(pid, SIGKILL);
		return 2;
	}
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	waitpid(pid, &status, 0);
	if (status)
		printf("the child ended with %#x: 1 is XMM14, 10 is YMM15\n", status);
	return status ? 1 : 0;
}

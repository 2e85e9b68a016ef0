/* Hides the dot products of 8 bits (VNNI, AMX) of an x86-64 processor from the process that preloads this library.
 *
 * ONNX Runtime picks its kernels by CPUID and has no option to restrict them. Linux lets a process make CPUID fault
 * (arch_prctl ARCH_SET_CPUID, on processors with `cpuid_fault`); the handler executes it and clears bits of the answer.
 * The library ends the process with status 77 where that cannot be had.
 *
 *     cc -shared -fPIC -o without_vnni.so without_vnni.c
 *     LD_PRELOAD=./without_vnni.so python ...
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { ARCH_SET_CPUID = 0x1012, UNAVAILABLE = 77 };

static int allow_cpuid(int allowed) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, allowed) != 0; }

static void on_fault(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    uint32_t leaf = registers[REG_RAX], part = registers[REG_RCX], a, b, c, d;
    (void)info;
    if (code[0] != 0x0f || code[1] != 0xa2) { /* a fault of another kind: let it end the process */
        signal(number, SIG_DFL);
        return;
    }
    allow_cpuid(1);
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(part));
    allow_cpuid(0);
    if (leaf == 7 && part == 0) {
        c &= ~(1u << 11);                             /* AVX512_VNNI */
        d &= ~(1u << 22 | 1u << 24 | 1u << 25);       /* AMX-BF16, AMX-TILE, AMX-INT8 */
    } else if (leaf == 7 && part == 1) {
        a &= ~(1u << 4 | 1u << 5 | 1u << 21);         /* AVX-VNNI, AVX512_BF16, AMX-FP16 */
        d &= ~(1u << 4 | 1u << 10 | 1u << 19);        /* AVX-VNNI-INT8, AVX-VNNI-INT16, AVX10 */
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void start(void)
{
    struct sigaction action = {0};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    if (sigaction(SIGSEGV, &action, 0) || allow_cpuid(0))
        _exit(UNAVAILABLE);
}

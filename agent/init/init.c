/*
 * The first process of a container: starts one program, hands signals on to it, and takes leave of every process that ends, also of
 * those that nobody else does. Node can do none of the last. Ends as the program ends, with 128 and the number of its signal
 * where that was one; the kernel ends whatever else still runs.
 *
 *   init                            does nothing, and ends with 0: it can run from where it lies
 *   init FILE PROGRAM [WORD ...]    removes FILE, itself as a rule, and starts PROGRAM with the words, itself among them
 *
 * It uses no library, so that it runs wherever the kernel does, and is small. Built by `npm run build:init` into programs.ts.
 */
typedef unsigned long word;

#if defined(__x86_64__)
enum { RT_SIGPROCMASK = 14, RT_SIGTIMEDWAIT = 128, CLONE = 56, EXECVE = 59, EXIT_GROUP = 231, WAIT4 = 61, KILL = 62,
       GETPID = 39, PRCTL = 157, SETPGID = 109, IOCTL = 16, UNLINKAT = 263 };

__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call run\n");

static long call(long number, long a, long b, long c, long d, long e) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { RT_SIGPROCMASK = 135, RT_SIGTIMEDWAIT = 137, CLONE = 220, EXECVE = 221, EXIT_GROUP = 94, WAIT4 = 260, KILL = 129,
       GETPID = 172, PRCTL = 167, SETPGID = 154, IOCTL = 29, UNLINKAT = 35 };

__asm__(".globl _start\n_start:\n mov x29, #0\n mov x0, sp\n bl run\n");

static long call(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
#else
#error "expected x86-64 or arm64"
#endif

enum { SIG_SETMASK = 2, SIGCHLD = 17, WNOHANG = 1, AT_FDCWD = -100, PR_SET_CHILD_SUBREAPER = 36, TIOCSPGRP = 0x5410 };
enum { SIGNALS_BYTES = 8, NOT_FOUND = 127 };

static _Noreturn void end(int code) {
  for (;;) call(EXIT_GROUP, code, 0, 0, 0, 0);
}

static _Noreturn void become(char **program, char **environment, word signals) {
  int group = (int)call(GETPID, 0, 0, 0, 0, 0);
  /* A terminal's Ctrl-C reaches its foreground group. The program must get it once: from there, and not from its parent as well. */
  call(SETPGID, 0, 0, 0, 0, 0);
  call(IOCTL, 0, TIOCSPGRP, (long)&group, 0, 0);
  call(RT_SIGPROCMASK, SIG_SETMASK, (long)&signals, 0, SIGNALS_BYTES, 0);
  call(EXECVE, (long)program[0], (long)program, (long)environment, 0, 0);
  end(NOT_FOUND);
}

/* Until the program has ended, which is what it returns the status of. */
static int reap(long program) {
  int status = 0, result = -1;
  for (;;) {
    long pid = call(WAIT4, -1, (long)&status, WNOHANG, 0, 0);
    if (pid <= 0) return result;
    if (pid == program) result = status;
  }
}

_Noreturn void run(word *stack) {
  long count = (long)stack[0];
  char **words = (char **)(stack + 1);
  word all = ~0UL, before = 0;
  if (count < 3) end(0);
  call(UNLINKAT, AT_FDCWD, (long)words[1], 0, 0, 0);
  /* Each is waited for: none may end this process, or come unseen. */
  call(RT_SIGPROCMASK, SIG_SETMASK, (long)&all, (long)&before, SIGNALS_BYTES, 0);
  /* What has no parent any more comes to process 1, and to whoever asks for it. */
  call(PRCTL, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  long program = call(CLONE, SIGCHLD, 0, 0, 0, 0);
  if (program < 0) end(NOT_FOUND);
  if (program == 0) become(words + 2, words + count + 1, before);
  for (;;) {
    long signal = call(RT_SIGTIMEDWAIT, (long)&all, 0, 0, SIGNALS_BYTES, 0);
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      call(KILL, program, signal, 0, 0, 0);
      continue;
    }
    int status = reap(program);
    if (status < 0) continue;
    int cause = status & 0x7f;
    end(cause == 0 ? (status >> 8) & 0xff : 128 + cause);
  }
}

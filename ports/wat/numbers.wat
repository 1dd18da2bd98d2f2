;; Exact functions and random numbers (SPEC, sections 2, 3 and 15).

;; A number in fixed point has eight limbs of 32 bits, the lowest first: 224 bits after the point, and 32 before it.
;; No argument that anybody has found needs more than 180 of them, so the result is rounded without a second try.
(global $ln2 i32 (i32.const 0x1000))
(data (i32.const 0x1000) "\5b\17\0d\8a\2d\b6\98\72\26\43\f3\40\af\f6\f2\03\98\b3\e3\c9\ab\79\cf\d1\f7\17\72\b1")
(global $half-pi i32 (i32.const 0x1040))
(data (i32.const 0x1040) "\4c\7d\17\04\e8\98\cf\14\11\9c\04\52\a2\39\b8\01\17\c5\8c\89\69\84\d1\42\44\b5\1f\92\01")
(global $one i32 (i32.const 0x1080))    (data (i32.const 0x109c) "\01")
(global $r i32 (i32.const 0x10c0))      ;; the reduced argument
(global $square i32 (i32.const 0x1100))
(global $term i32 (i32.const 0x1140))
(global $part i32 (i32.const 0x1180))
(global $sum i32 (i32.const 0x11c0))
(global $product i32 (i32.const 0x1200)) ;; sixteen limbs

(func $clear (param $a i32) (memory.fill (local.get $a) (i32.const 0) (i32.const 32)))
(func $copy (param $to i32) (param $a i32) (memory.copy (local.get $to) (local.get $a) (i32.const 32)))
(func $zero? (param $a i32) (result i32)
  (i64.eqz (i64.or (i64.or (i64.load (local.get $a)) (i64.load offset=8 (local.get $a)))
                   (i64.or (i64.load offset=16 (local.get $a)) (i64.load offset=24 (local.get $a))))))

;; x >= 2^-160 in fixed point.
(func $fixed (param $to i32) (param $x f64) (local $shift i32)
  (call $clear (local.get $to))
  (local.set $shift (i32.add (call $exponent (local.get $x)) (i32.const 172))) ;; 224 - 52
  (i64.store (i32.add (local.get $to) (i32.shr_u (local.get $shift) (i32.const 3)))
    (i64.shl (call $fraction (local.get $x)) (i64.extend_i32_u (i32.and (local.get $shift) (i32.const 7))))))

;; The exponent of a normal number, and its 53 bits.
(func $exponent (param $x f64) (result i32)
  (i32.sub (i32.and (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (local.get $x)) (i64.const 52))) (i32.const 0x7ff))
           (i32.const 1023)))
(func $fraction (param $x f64) (result i64)
  (i64.or (i64.and (i64.reinterpret_f64 (local.get $x)) (i64.const 0xfffffffffffff)) (i64.const 0x10000000000000)))

;; a + sign * b, for a sign of 1 or -1.
(func $add (param $to i32) (param $a i32) (param $b i32) (param $sign i64) (local $i i32) (local $carry i64)
  (loop $next
    (local.set $carry (i64.add (i64.add (local.get $carry) (i64.load32_u (i32.add (local.get $a) (local.get $i))))
                               (i64.mul (local.get $sign) (i64.load32_u (i32.add (local.get $b) (local.get $i))))))
    (i64.store32 (i32.add (local.get $to) (local.get $i)) (local.get $carry))
    (local.set $carry (i64.shr_s (local.get $carry) (i64.const 32)))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 32)))))

;; a * n for a small n.
(func $times (param $to i32) (param $a i32) (param $n i64) (local $i i32) (local $carry i64)
  (loop $next
    (local.set $carry (i64.add (local.get $carry)
                               (i64.mul (local.get $n) (i64.load32_u (i32.add (local.get $a) (local.get $i))))))
    (i64.store32 (i32.add (local.get $to) (local.get $i)) (local.get $carry))
    (local.set $carry (i64.shr_u (local.get $carry) (i64.const 32)))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 32)))))

;; a / n for a small n; whether bits were lost.
(func $over (param $to i32) (param $a i32) (param $n i64) (result i32) (local $i i32) (local $rest i64)
  (local.set $i (i32.const 28))
  (loop $next
    (local.set $rest (i64.or (i64.shl (local.get $rest) (i64.const 32))
                             (i64.load32_u (i32.add (local.get $a) (local.get $i)))))
    (i64.store32 (i32.add (local.get $to) (local.get $i)) (i64.div_u (local.get $rest) (local.get $n)))
    (local.set $rest (i64.rem_u (local.get $rest) (local.get $n)))
    (br_if $next (i32.ge_s (local.tee $i (i32.sub (local.get $i) (i32.const 4))) (i32.const 0))))
  (i64.ne (local.get $rest) (i64.const 0)))

;; a * b; whether bits were lost.
(func $multiply (param $to i32) (param $a i32) (param $b i32) (result i32)
  (local $i i32) (local $j i32) (local $at i32) (local $factor i64) (local $carry i64)
  (memory.fill (global.get $product) (i32.const 0) (i32.const 64))
  (loop $rows
    (if (i64.ne (local.tee $factor (i64.load32_u (i32.add (local.get $a) (local.get $i)))) (i64.const 0)) (then
      (local.set $carry (i64.const 0))
      (local.set $j (i32.const 0))
      (loop $columns
        (local.set $at (i32.add (global.get $product) (i32.add (local.get $i) (local.get $j))))
        (local.set $carry (i64.add (i64.add (local.get $carry) (i64.load32_u (local.get $at)))
          (i64.mul (local.get $factor) (i64.load32_u (i32.add (local.get $b) (local.get $j))))))
        (i64.store32 (local.get $at) (local.get $carry))
        (local.set $carry (i64.shr_u (local.get $carry) (i64.const 32)))
        (br_if $columns (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 4))) (i32.const 32))))
      (i64.store32 offset=4 (local.get $at) (local.get $carry))))
    (br_if $rows (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 32))))
  (call $copy (local.get $to) (i32.add (global.get $product) (i32.const 28)))
  (i32.store offset=28 (global.get $product) (i32.const 0))
  (i32.eqz (call $zero? (global.get $product))))

;; -1, 0 or 1 as a is less than, equal to or greater than b.
(func $compare (param $a i32) (param $b i32) (result i32) (local $i i32) (local $x i32) (local $y i32)
  (local.set $i (i32.const 28))
  (loop $next
    (local.set $x (i32.load (i32.add (local.get $a) (local.get $i))))
    (local.set $y (i32.load (i32.add (local.get $b) (local.get $i))))
    (if (i32.ne (local.get $x) (local.get $y))
      (then (return (select (i32.const -1) (i32.const 1) (i32.lt_u (local.get $x) (local.get $y))))))
    (br_if $next (i32.ge_s (local.tee $i (i32.sub (local.get $i) (i32.const 4))) (i32.const 0))))
  (i32.const 0))

;; 2^e for a normal result.
(func $two-to (param $e i32) (result f64)
  (f64.reinterpret_i64 (i64.shl (i64.extend_i32_s (i32.add (local.get $e) (i32.const 1023))) (i64.const 52))))

;; The double nearest to a * 2^e, ties to even, rounded once at the last place that it has; a has more than 53 bits.
(func $round (param $a i32) (param $e i32) (result f64)
  (local $i i32) (local $top i32) (local $last i32) (local $drop i32) (local $kept i64) (local $up i32)
  (if (call $zero? (local.get $a)) (then (return (f64.const 0))))
  (local.set $e (i32.sub (local.get $e) (i32.const 224)))
  (local.set $i (i32.const 32))
  (loop $down
    (br_if $down (i32.eqz (i32.load (i32.add (local.get $a) (local.tee $i (i32.sub (local.get $i) (i32.const 4))))))))
  (local.set $top (i32.add (local.get $e) (i32.sub (i32.shl (i32.add (local.get $i) (i32.const 4)) (i32.const 3))
                                                   (i32.clz (i32.load (i32.add (local.get $a) (local.get $i)))))))
  (if (i32.gt_s (local.get $top) (i32.const 1024)) (then (return (f64.const inf))))
  (if (i32.lt_s (local.get $top) (i32.const -1074)) (then (return (f64.const 0))))
  (local.set $last (i32.sub (local.get $top) (i32.const 53)))
  (if (i32.lt_s (local.get $last) (i32.const -1074)) (then (local.set $last (i32.const -1074))))
  (local.set $drop (i32.sub (local.get $last) (local.get $e)))
  (local.set $kept (call $bits-from (local.get $a) (local.get $drop)))
  (local.set $drop (i32.sub (local.get $drop) (i32.const 1)))
  (local.set $up (i32.and (i32.wrap_i64 (call $bits-from (local.get $a) (local.get $drop))) (i32.const 1)))
  (if (i32.and (local.get $up) (i64.eqz (i64.and (local.get $kept) (i64.const 1)))) (then
    (local.set $up (i32.const 0)) ;; a tie, unless a bit below is set
    (loop $below
      (if (i32.gt_s (local.get $drop) (i32.const 0)) (then
        (local.set $drop (i32.sub (local.get $drop) (i32.const 1)))
        (local.set $up (i32.and (i32.wrap_i64 (call $bits-from (local.get $a) (local.get $drop))) (i32.const 1)))
        (br_if $below (i32.eqz (local.get $up))))))))
  (f64.mul (f64.mul (f64.convert_i64_u (i64.add (local.get $kept) (i64.extend_i32_u (local.get $up))))
                    (call $two-to (i32.sub (local.get $last) (i32.shr_s (local.get $last) (i32.const 1)))))
           (call $two-to (i32.shr_s (local.get $last) (i32.const 1)))))

;; At least 53 bits of a from the given one on; a is at most 53 bits above it.
(func $bits-from (param $a i32) (param $bit i32) (result i64)
  (i64.shr_u (i64.load (i32.add (local.get $a) (i32.shr_u (local.get $bit) (i32.const 3))))
             (i64.extend_i32_u (i32.and (local.get $bit) (i32.const 7)))))

(func $exp (param $x f64) (result f64) (local $k i32) (local $n i64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (f64.const nan))))
  (if (f64.gt (local.get $x) (f64.const 710)) (then (return (f64.const inf))))
  (if (f64.lt (local.get $x) (f64.const -746)) (then (return (f64.const 0))))
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-54)) (then (return (f64.const 1))))
  ;; exp(x) = 2^k * exp(r)^4096, r from 0 to a little more than ln 2 / 4096
  (local.set $k (i32.trunc_f64_s (f64.floor (f64.sub
    (f64.mul (local.get $x) (f64.const 1.4426950408889634)) (f64.const 0.001)))))
  (call $fixed (global.get $r) (f64.abs (local.get $x)))
  (if (f64.gt (local.get $x) (f64.const 0))
    (then
      (if (i32.lt_s (local.get $k) (i32.const 0)) (then (local.set $k (i32.const 0))))
      (call $times (global.get $part) (global.get $ln2) (i64.extend_i32_s (local.get $k)))
      (call $add (global.get $r) (global.get $r) (global.get $part) (i64.const -1)))
    (else
      (call $times (global.get $part) (global.get $ln2) (i64.extend_i32_s (i32.sub (i32.const 0) (local.get $k))))
      (call $add (global.get $r) (global.get $part) (global.get $r) (i64.const -1))))
  (drop (call $over (global.get $r) (global.get $r) (i64.const 4096)))
  (call $copy (global.get $term) (global.get $one))
  (call $clear (global.get $sum))
  (loop $terms
    (call $add (global.get $sum) (global.get $sum) (global.get $term) (i64.const 1))
    (local.set $n (i64.add (local.get $n) (i64.const 1)))
    (drop (call $multiply (global.get $term) (global.get $r) (global.get $term)))
    (drop (call $over (global.get $term) (global.get $term) (local.get $n)))
    (br_if $terms (i32.eqz (call $zero? (global.get $term)))))
  (local.set $n (i64.const 12))
  (loop $squares
    (drop (call $multiply (global.get $sum) (global.get $sum) (global.get $sum)))
    (br_if $squares (i64.ne (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
  (call $round (global.get $sum) (local.get $k)))

;; x > 0 as m from 1 to 2 and a power of two.
(func $split (param $x f64) (result f64 i32) (local $e i32)
  (if (f64.lt (local.get $x) (f64.const 0x1p-1022)) (then
    (local.set $x (f64.mul (local.get $x) (f64.const 0x1p54)))
    (local.set $e (i32.const -54))))
  (f64.mul (f64.convert_i64_u (call $fraction (local.get $x))) (f64.const 0x1p-52))
  (i32.add (local.get $e) (call $exponent (local.get $x))))

(func $log (param $x f64) (result f64)
  (local $e i32) (local $above i64) (local $below i64) (local $i i32) (local $odd i64)
  (if (i32.or (f64.lt (local.get $x) (f64.const 0)) (f64.ne (local.get $x) (local.get $x)))
    (then (return (f64.const nan))))
  (if (f64.eq (local.get $x) (f64.const 0)) (then (return (f64.const -inf))))
  (if (f64.eq (local.get $x) (f64.const inf)) (then (return (local.get $x))))
  (call $split (local.get $x))
  (local.set $e)
  (local.set $x)
  ;; log(m) = 2 artanh((m - 1) / (m + 1)), divided byte by byte
  (local.set $above (i64.sub (call $fraction (local.get $x)) (i64.const 0x10000000000000)))
  (local.set $below (i64.add (call $fraction (local.get $x)) (i64.const 0x10000000000000)))
  (call $clear (global.get $term))
  (local.set $i (i32.const 27))
  (loop $bytes
    (local.set $above (i64.shl (local.get $above) (i64.const 8)))
    (i64.store8 (i32.add (global.get $term) (local.get $i)) (i64.div_u (local.get $above) (local.get $below)))
    (local.set $above (i64.rem_u (local.get $above) (local.get $below)))
    (br_if $bytes (i32.ge_s (local.tee $i (i32.sub (local.get $i) (i32.const 1))) (i32.const 0))))
  (drop (call $multiply (global.get $square) (global.get $term) (global.get $term)))
  (call $clear (global.get $sum))
  (local.set $odd (i64.const 1))
  (loop $terms
    (drop (call $over (global.get $part) (global.get $term) (local.get $odd)))
    (call $add (global.get $sum) (global.get $sum) (global.get $part) (i64.const 2))
    (drop (call $multiply (global.get $term) (global.get $term) (global.get $square)))
    (local.set $odd (i64.add (local.get $odd) (i64.const 2)))
    (br_if $terms (i32.eqz (call $zero? (global.get $term)))))
  (if (i32.lt_s (local.get $e) (i32.const 0)) (then
    (call $times (global.get $part) (global.get $ln2) (i64.extend_i32_s (i32.sub (i32.const 0) (local.get $e))))
    (call $add (global.get $sum) (global.get $part) (global.get $sum) (i64.const -1))
    (return (f64.neg (call $round (global.get $sum) (i32.const 0))))))
  (call $times (global.get $part) (global.get $ln2) (i64.extend_i32_s (local.get $e)))
  (call $add (global.get $sum) (global.get $sum) (global.get $part) (i64.const 1))
  (call $round (global.get $sum) (i32.const 0)))

;; sin(x + quarters * pi/2) for quarters 0 or 1, |x| from 2^-27 to 8.
(func $wave (param $quarters i32) (param $x f64) (result f64)
  (local $q i32) (local $minus i32) (local $n i64) (local $sign i64)
  (local.set $q (i32.trunc_f64_s (f64.nearest (f64.mul (f64.abs (local.get $x)) (f64.const 0.6366197723675814)))))
  (call $fixed (global.get $r) (f64.abs (local.get $x)))
  (call $times (global.get $part) (global.get $half-pi) (i64.extend_i32_u (local.get $q)))
  (call $add (global.get $r) (global.get $r) (global.get $part) (i64.const -1))
  (local.set $minus (i32.shr_u (i32.load offset=28 (global.get $r)) (i32.const 31)))
  (if (local.get $minus) (then
    (call $clear (global.get $part))
    (call $add (global.get $r) (global.get $part) (global.get $r) (i64.const -1))))
  (drop (call $multiply (global.get $square) (global.get $r) (global.get $r)))
  (local.set $q (i32.add (local.get $q) (local.get $quarters)))
  (if (i32.and (local.get $q) (i32.const 1))
    (then
      (local.set $minus (i32.const 0))
      (call $copy (global.get $term) (global.get $one)))
    (else
      (local.set $n (i64.const 1))
      (call $copy (global.get $term) (global.get $r))))
  (call $clear (global.get $sum))
  (local.set $sign (i64.const 1))
  (loop $terms
    (call $add (global.get $sum) (global.get $sum) (global.get $term) (local.get $sign))
    (local.set $sign (i64.sub (i64.const 0) (local.get $sign)))
    (local.set $n (i64.add (local.get $n) (i64.const 2)))
    (drop (call $multiply (global.get $term) (global.get $term) (global.get $square)))
    (drop (call $over (global.get $term) (global.get $term)
                      (i64.mul (local.get $n) (i64.sub (local.get $n) (i64.const 1)))))
    (br_if $terms (i32.eqz (call $zero? (global.get $term)))))
  (f64.copysign (call $round (global.get $sum) (i32.const 0))
    (select (f64.const -1) (f64.const 1)
      (i32.and (i32.const 1)
        (i32.xor (i32.xor (local.get $minus) (i32.shr_u (local.get $q) (i32.const 1)))
                 (i32.and (i32.eqz (local.get $quarters)) (f64.lt (local.get $x) (f64.const 0))))))))

(func $sin (param $x f64) (result f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (f64.const nan))))
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-26)) (then (return (local.get $x))))
  (call $wave (i32.const 0) (local.get $x)))
(func $cos (param $x f64) (result f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (f64.const nan))))
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-27)) (then (return (f64.const 1))))
  (call $wave (i32.const 1) (local.get $x)))

;; Divides a number from 1 to 4 by two if it is 2 or more, and adds to the exponent e; whether bits were lost.
(func $normalized (param $a i32) (param $e i32) (result i32 i32)
  (if (i32.lt_u (i32.load offset=28 (local.get $a)) (i32.const 2)) (then (return (local.get $e) (i32.const 0))))
  (i32.add (local.get $e) (i32.const 1))
  (call $over (local.get $a) (local.get $a) (i64.const 2)))

;; x > 0 to the power t, or t / 2 if half.  r * 2^e is x^|t|, cut off; a bit at the end says whether anything is lost.
;; What is short enough to be exact, or half-way between two doubles, is not cut off.
(func $power (param $x f64) (param $t i32) (param $half i32) (result f64)
  (local $e i32) (local $step i32) (local $n i32) (local $bit i32) (local $lost i32) (local $exact i32) (local $cut i32)
  (local $target i32) (local $order i32) (local $byte i32)
  (call $split (local.get $x))
  (local.set $step)
  (local.set $x)
  (call $fixed (global.get $square) (local.get $x))
  (call $copy (global.get $r) (global.get $one))
  (local.set $n (select (local.get $t) (i32.sub (i32.const 0) (local.get $t)) (i32.gt_s (local.get $t) (i32.const 0))))
  (local.set $bit (i32.sub (i32.const 31) (i32.clz (local.get $n))))
  (loop $bits
    (local.set $lost (i32.or (local.get $lost) (call $multiply (global.get $r) (global.get $r) (global.get $r))))
    (call $normalized (global.get $r) (i32.shl (local.get $e) (i32.const 1)))
    (local.set $cut)
    (local.set $e)
    (local.set $lost (i32.or (local.get $lost) (local.get $cut)))
    (if (i32.and (i32.shr_u (local.get $n) (local.get $bit)) (i32.const 1)) (then
      (local.set $lost (i32.or (local.get $lost) (call $multiply (global.get $r) (global.get $square) (global.get $r))))
      (call $normalized (global.get $r) (i32.add (local.get $e) (local.get $step)))
      (local.set $cut)
      (local.set $e)
      (local.set $lost (i32.or (local.get $lost) (local.get $cut)))))
    (br_if $bits (i32.ge_s (local.tee $bit (i32.sub (local.get $bit) (i32.const 1))) (i32.const 0))))
  (if (i32.and (local.get $half) (local.get $e)) (then
    (call $times (global.get $r) (global.get $r) (i64.const 2))
    (local.set $e (i32.sub (local.get $e) (i32.const 1)))))
  (if (local.get $half) (then (local.set $e (i32.shr_s (local.get $e) (i32.const 1)))))
  (local.set $target (select (global.get $r) (global.get $one) (i32.gt_s (local.get $t) (i32.const 0))))
  (if (i32.lt_s (local.get $t) (i32.const 0)) (then (local.set $e (i32.sub (i32.const 0) (local.get $e)))))
  (if (i32.and (i32.eqz (local.get $half)) (i32.gt_s (local.get $t) (i32.const 0)))
    (then
      (call $copy (global.get $sum) (global.get $r))
      (local.set $exact (i32.const 1)))
    (else ;; the greatest s with s^2 <= r, s * r <= 1 or s^2 * r <= 1, bit by bit
      (call $clear (global.get $sum))
      (local.set $bit (i32.const 224))
      (loop $bits
        (local.set $byte (i32.add (global.get $sum) (i32.shr_u (local.get $bit) (i32.const 3))))
        (local.set $n (i32.shl (i32.const 1) (i32.and (local.get $bit) (i32.const 7))))
        (i32.store8 (local.get $byte) (i32.xor (i32.load8_u (local.get $byte)) (local.get $n)))
        (call $copy (global.get $term) (global.get $sum))
        (local.set $cut (i32.const 0))
        (if (local.get $half) (then
          (drop (call $multiply (global.get $term) (global.get $sum) (global.get $term)))))
        (if (i32.lt_s (local.get $t) (i32.const 0)) (then
          (local.set $cut (call $multiply (global.get $term) (global.get $term) (global.get $r)))))
        (local.set $order (call $compare (global.get $term) (local.get $target)))
        (if (i32.gt_s (local.get $order) (i32.const 0))
          (then (i32.store8 (local.get $byte) (i32.xor (i32.load8_u (local.get $byte)) (local.get $n))))
          (else (local.set $exact (i32.eqz (i32.or (local.get $order) (local.get $cut))))))
        (br_if $bits (i32.ge_u (local.tee $bit (i32.sub (local.get $bit) (i32.const 1))) (i32.const 168))))))
  (i32.store8 (global.get $sum)
    (i32.or (i32.load8_u (global.get $sum)) (i32.or (local.get $lost) (i32.eqz (local.get $exact)))))
  (call $round (global.get $sum) (local.get $e)))

(func $pow (param $x f64) (param $y f64) (result f64) (local $half i32) (local $odd i32) (local $t i32)
  (local $size f64)
  (local.set $half (f64.ne (local.get $y) (f64.floor (local.get $y))))
  (local.set $t (i32.trunc_f64_s (select (f64.add (local.get $y) (local.get $y)) (local.get $y) (local.get $half))))
  (local.set $odd (i32.and (i32.eqz (local.get $half)) (local.get $t)))
  (if (i32.or (i32.eqz (local.get $t)) (f64.eq (local.get $x) (f64.const 1))) (then (return (f64.const 1))))
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (f64.const nan))))
  (if (f64.eq (local.get $y) (f64.const 1)) (then (return (local.get $x))))
  (if (f64.eq (local.get $y) (f64.const 2)) (then (return (f64.mul (local.get $x) (local.get $x)))))
  (if (f64.eq (local.get $y) (f64.const -1)) (then (return (f64.div (f64.const 1) (local.get $x)))))
  (if (i32.or (f64.eq (local.get $x) (f64.const 0)) (f64.eq (f64.abs (local.get $x)) (f64.const inf)))
    (then
      (local.set $size (select (f64.const 0) (f64.const inf)
        (i32.eq (f64.eq (local.get $x) (f64.const 0)) (i32.gt_s (local.get $t) (i32.const 0))))))
    (else
      (if (i32.and (local.get $half) (f64.lt (local.get $x) (f64.const 0))) (then (return (f64.const nan))))
      (if (f64.eq (local.get $y) (f64.const 0.5)) (then (return (f64.sqrt (local.get $x)))))
      (local.set $size (call $power (f64.abs (local.get $x)) (local.get $t) (local.get $half)))))
  (if (local.get $odd) (then (return (f64.copysign (local.get $size) (local.get $x)))))
  (local.get $size))

;; The Mersenne Twister: 624 words from $words on.
(global $words i32 (i32.const 0x2000))
(global $index (mut i32) (i32.const 0))
(global $kept? (mut i32) (i32.const 0)) ;; whether gauss has kept a value
(global $kept (mut f64) (f64.const 0))

(func $word-at (param $i i32) (result i32) (i32.add (global.get $words) (i32.shl (local.get $i) (i32.const 2))))

;; The word before the one at $at, mixed.
(func $mixed (param $at i32) (result i32) (local $y i32)
  (local.set $y (i32.load (i32.sub (local.get $at) (i32.const 4))))
  (i32.xor (local.get $y) (i32.shr_u (local.get $y) (i32.const 30))))

(func $seed (param $seed i32) (local $i i32) (local $at i32) (local $count i32)
  (i32.store (global.get $words) (i32.const 19650218))
  (local.set $i (i32.const 1))
  (loop $fill
    (local.set $at (call $word-at (local.get $i)))
    (i32.store (local.get $at)
      (i32.add (i32.mul (i32.const 1812433253) (call $mixed (local.get $at))) (local.get $i)))
    (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 624))))
  (local.set $i (i32.const 1))
  (loop $stir
    (local.set $at (call $word-at (local.get $i)))
    (if (i32.lt_u (local.get $count) (i32.const 624))
      (then (i32.store (local.get $at) (i32.add (local.get $seed)
        (i32.xor (i32.load (local.get $at)) (i32.mul (call $mixed (local.get $at)) (i32.const 1664525))))))
      (else (i32.store (local.get $at) (i32.sub
        (i32.xor (i32.load (local.get $at)) (i32.mul (call $mixed (local.get $at)) (i32.const 1566083941)))
        (local.get $i)))))
    (if (i32.eq (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 624)) (then
      (i32.store (global.get $words) (i32.load (local.get $at)))
      (local.set $i (i32.const 1))))
    (br_if $stir (i32.lt_u (local.tee $count (i32.add (local.get $count) (i32.const 1))) (i32.const 1247))))
  (i32.store (global.get $words) (i32.const 0x80000000))
  (global.set $kept? (i32.const 0))
  (global.set $index (i32.const 624)))

(func $renew (local $i i32) (local $y i32)
  (loop $next
    (local.set $y (i32.or
      (i32.and (i32.load (call $word-at (local.get $i))) (i32.const 0x80000000))
      (i32.and (i32.load (call $word-at (i32.rem_u (i32.add (local.get $i) (i32.const 1)) (i32.const 624))))
               (i32.const 0x7fffffff))))
    (i32.store (call $word-at (local.get $i))
      (i32.xor (i32.xor (i32.load (call $word-at (i32.rem_u (i32.add (local.get $i) (i32.const 397)) (i32.const 624))))
                        (i32.shr_u (local.get $y) (i32.const 1)))
               (i32.mul (i32.and (local.get $y) (i32.const 1)) (i32.const 0x9908b0df))))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 624))))
  (global.set $index (i32.const 0)))

(func $word (result i32) (local $y i32)
  (if (i32.eq (global.get $index) (i32.const 624)) (then (call $renew)))
  (local.set $y (i32.load (call $word-at (global.get $index))))
  (global.set $index (i32.add (global.get $index) (i32.const 1)))
  (local.set $y (i32.xor (local.get $y) (i32.shr_u (local.get $y) (i32.const 11))))
  (local.set $y (i32.xor (local.get $y) (i32.and (i32.shl (local.get $y) (i32.const 7)) (i32.const 0x9d2c5680))))
  (local.set $y (i32.xor (local.get $y) (i32.and (i32.shl (local.get $y) (i32.const 15)) (i32.const 0xefc60000))))
  (i32.xor (local.get $y) (i32.shr_u (local.get $y) (i32.const 18))))

(func $random (result f64)
  (f64.div (f64.add (f64.mul (f64.convert_i32_u (i32.shr_u (call $word) (i32.const 5))) (f64.const 0x1p26))
                    (f64.convert_i32_u (i32.shr_u (call $word) (i32.const 6))))
           (f64.const 0x1p53)))

(func $gauss (param $sigma f64) (result f64) (local $z f64) (local $x f64) (local $r f64)
  (if (global.get $kept?)
    (then
      (local.set $z (global.get $kept))
      (global.set $kept? (i32.const 0)))
    (else
      (local.set $x (f64.mul (call $random) (f64.const 6.283185307179586)))
      (local.set $r (f64.sqrt (f64.mul (f64.const -2) (call $log (f64.sub (f64.const 1) (call $random))))))
      (local.set $z (f64.mul (call $cos (local.get $x)) (local.get $r)))
      (global.set $kept (f64.mul (call $sin (local.get $x)) (local.get $r)))
      (global.set $kept? (i32.const 1))))
  (f64.add (f64.const 0) (f64.mul (local.get $z) (local.get $sigma))))

(func $below (param $n i32) (result i32) (local $value i32)
  (loop $again
    (local.set $value (i32.shr_u (call $word) (i32.clz (local.get $n))))
    (br_if $again (i32.ge_u (local.get $value) (local.get $n))))
  (local.get $value))

;; Shuffles a list.
(func $shuffle (param $list i32) (local $i i32) (local $here i32) (local $there i32) (local $item i32)
  (local.set $i (i32.load (local.get $list)))
  (loop $next
    (if (i32.gt_s (local.get $i) (i32.const 1)) (then
      (local.set $here (call $item-at (local.get $list) (i32.sub (local.get $i) (i32.const 1))))
      (local.set $there (call $item-at (local.get $list) (call $below (local.get $i))))
      (local.set $item (i32.load (local.get $here)))
      (i32.store (local.get $here) (i32.load (local.get $there)))
      (i32.store (local.get $there) (local.get $item))
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (br $next)))))

;; An index into n weights.
(func $choice (param $weights i32) (param $n i32) (result i32)
  (local $sums i32) (local $i i32) (local $total f64) (local $u f64) (local $low i32) (local $high i32)
  (local $middle i32)
  (local.set $sums (call $doubles (local.get $n)))
  (local.set $total (f64.load (local.get $weights)))
  (loop $add
    (f64.store (call $double-at (local.get $sums) (local.get $i)) (local.get $total))
    (if (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)) (then
      (local.set $total (f64.add (local.get $total) (f64.load (call $double-at (local.get $weights) (local.get $i)))))
      (br $add))))
  (if (i32.eqz (i32.and (f64.gt (local.get $total) (f64.const 0)) (f64.lt (local.get $total) (f64.const inf))))
    (then (throw $refusal (global.get $'total'))))
  (local.set $u (f64.mul (call $random) (local.get $total)))
  (local.set $high (i32.sub (local.get $n) (i32.const 1)))
  (loop $search
    (if (i32.lt_u (local.get $low) (local.get $high)) (then
      (local.set $middle (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1)))
      (if (f64.lt (local.get $u) (f64.load (call $double-at (local.get $sums) (local.get $middle))))
        (then (local.set $high (local.get $middle)))
        (else (local.set $low (i32.add (local.get $middle) (i32.const 1)))))
      (br $search))))
  (local.get $low))

;;; exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone.

(library (exact)
  (export nan infinity double->bits bits->double exact-exp exact-log exact-sin exact-cos exact-pow)
  (import (chezscheme))

  (define infinity +inf.0)

  (define (bits->double bits)
    (let ([bytes (make-bytevector 8)])
      (bytevector-u64-native-set! bytes 0 bits)
      (bytevector-ieee-double-native-ref bytes 0)))

  (define nan (bits->double #x7ff8000000000000))

  ;; All NaNs count as one.
  (define (double->bits x)
    (let ([bytes (make-bytevector 8)])
      (bytevector-ieee-double-native-set! bytes 0 (if (flnan? x) nan x))
      (bytevector-u64-native-ref bytes 0)))

  ;; A finite x > 0 as an integer and a power of two.
  (define (split x)
    (let* ([bits (double->bits x)]
           [exponent (bitwise-arithmetic-shift-right bits 52)]
           [fraction (bitwise-bit-field bits 0 52)])
      (if (zero? exponent)
          (values fraction -1074)
          (values (+ fraction (expt 2 52)) (- exponent 1075)))))

  ;; m * 2^e, rounded once at the last place that the result has, ties to even. A double's bits are in
  ;; the order of its size, so a fraction that rounds up to 2^53 carries into the exponent, even to infinity.
  (define (nearest-double m e)
    (let* ([size (abs m)]
           [top (+ (bitwise-length size) e)]
           [last (max (- top 53) -1074)]
           [rounded (cond
                      [(> top 1024) infinity]
                      [(< top -1074) 0.0]
                      [else (bits->double (+ (ash (+ last 1074) 52) (rounded-shift size (- e last))))])])
      (if (negative? m) (fl- rounded) rounded)))

  (define (rounded-shift n places)
    (if (>= places 0)
        (ash n places)
        (let* ([kept (ash n places)]
               [rest (- n (ash kept (- places)))]
               [half (ash 1 (- -1 places))])
          (if (or (> rest half) (and (= rest half) (odd? kept))) (+ kept 1) kept))))

  ;; A number in fixed point is an integer that stands for itself / 2^(bits).
  (define bits (make-parameter 192))

  (define (one) (ash 1 (bits)))
  (define (times a b) (ash (* a b) (- (bits))))

  (define (fixed x)
    (let-values ([(m e) (split (flabs x))])
      (let ([size (ash m (+ e (bits)))])
        (if (fl< x 0.0) (- size) size))))

  ;; Rounds what compute returns, times 2^scale. That is off by less than 2^24 units of its last place (2^17,
  ;; by a generous count); while the ends of that interval do not round alike, it is given more bits.
  (define (settle scale compute)
    (let* ([slack (ash 1 24)]
           [y (compute)]
           [low (nearest-double (- y slack) (- scale (bits)))]
           [high (nearest-double (+ y slack) (- scale (bits)))])
      (if (fl= low high)
          low
          (parameterize ([bits (* 2 (bits))]) (settle scale compute)))))

  (define-syntax correctly-rounded
    (syntax-rules ()
      [(_ scale body ...) (settle scale (lambda () body ...))]))

  ;; The sum of part over all terms until they vanish; n grows by step.
  (define-syntax series
    (syntax-rules ()
      [(_ ([term first next] [n start step]) part)
       (do ([n start (+ n step)]
            [term first next]
            [sum 0 (+ sum part)])
           ((<= (bitwise-length (abs term)) 1) sum))]))

  ;; Computed once for each precision, with 16 bits to spare.
  (define-syntax define-constant
    (syntax-rules ()
      [(_ (name) value)
       (define name
         (let ([known (make-eqv-hashtable)])
           (lambda ()
             (unless (hashtable-contains? known (bits))
               (hashtable-set! known (bits) (ash (parameterize ([bits (+ (bits) 16)]) value) -16)))
             (hashtable-ref known (bits) #f))))]))

  ;; artanh of 1/n for the sign 1, arctan of 1/n for -1.
  (define (inverse-arc sign n)
    (series ([term (quotient (one) n) (quotient term (* sign n n))] [k 1 2])
      (quotient term k)))

  (define-constant (ln2) (* 2 (inverse-arc 1 3)))
  (define-constant (half-pi) (- (* 8 (inverse-arc -1 5)) (* 2 (inverse-arc -1 239))))

  (define (nearest-integer x) (exact (flround x)))

  (define (exact-exp x)
    (cond
      [(flnan? x) nan]
      [(fl> x 710.0) infinity]
      [(fl< x -746.0) 0.0]
      [(fl< (flabs x) (expt 2.0 -54)) 1.0]
      [else
       (let ([k (nearest-integer (fl/ x 0.6931471805599453))]
             [halvings 12])
         (correctly-rounded k
           (let* ([r (ash (- (fixed x) (* k (ln2))) (- halvings))]
                  [y (series ([term (one) (quotient (times term r) (+ n 1))] [n 0 1]) term)])
             (do ([i 0 (+ i 1)] [y y (times y y)])
                 ((= i halvings) y)))))]))

  (define (exact-log x)
    (cond
      [(or (flnan? x) (fl< x 0.0)) nan]
      [(fl= x 0.0) (fl- infinity)]
      [(fl= x 1.0) 0.0]
      [(fl= x infinity) x]
      [else
       (let*-values ([(m e) (split x)]
                     [(size) (bitwise-length m)]
                     [(k) (if (< (* 4 m) (* 3 (ash 1 size))) (+ e size -1) (+ e size))]) ; m from 3/4 to 3/2
         (correctly-rounded 0
           (let* ([m (ash m (+ (- e k) (bits)))]
                  [z (quotient (ash (- m (one)) (bits)) (+ m (one)))]
                  [square (times z z)]
                  [artanh (series ([term z (times term square)] [n 1 2]) (quotient term n))])
             (+ (* 2 artanh) (* k (ln2))))))]))

  ;; sin (x + quarters * pi/2), |x| <= 8.
  (define (wave quarters x)
    (let* ([q (nearest-integer (fl/ x 1.5707963267948966))]
           [quadrant (mod (+ q quarters) 4)])
      (correctly-rounded 0
        (let*-values ([(r) (- (fixed x) (* q (half-pi)))]
                      [(square) (times r r)]
                      [(first start) (if (even? quadrant) (values r 1) (values (one) 0))])
          (let ([y (series ([term first (- (quotient (times term square) (* (+ n 1) (+ n 2))))] [n start 2])
                     term)])
            (if (< quadrant 2) y (- y)))))))

  (define (exact-sin x)
    (cond
      [(flnan? x) nan]
      [(fl< (flabs x) (expt 2.0 -26)) x]
      [else (wave 0 x)]))

  (define (exact-cos x)
    (cond
      [(flnan? x) nan]
      [(fl< (flabs x) (expt 2.0 -27)) 1.0]
      [else (wave 1 x)]))

  ;; x > 0 to the integer or half-integer y. The last bit is sticky: it says whether anything was left over.
  (define (positive-power x y)
    (let*-values ([(m e) (split x)]
                  [(whole) (integer? y)]
                  [(zeros) (bitwise-first-bit-set m)]
                  [(exponent) (if whole y (* 2 y))]
                  [(n) (expt (ash m (- zeros)) (abs exponent))]
                  [(e) (* (+ e zeros) exponent)]
                  [(size) (bitwise-length n)]
                  [(least) (if (positive? exponent) (max 0 (- 132 size)) (+ 132 size))]
                  [(shift) (if (or whole (even? (- e least))) least (+ least 1))]
                  [(value rest) (if (positive? exponent) (values (ash n shift) 0) (div-and-mod (ash 1 shift) n))]
                  [(root left) (if whole (values value 0) (exact-integer-sqrt value))]
                  [(sticky) (if (and (zero? rest) (zero? left)) 0 1)])
      (nearest-double (+ (* 2 root) sticky)
                      (- (if whole (- e shift) (/ (- e shift) 2)) 1))))

  (define (exact-pow x y)
    (let* ([exponent (exact y)]
           [odd (and (integer? exponent) (odd? exponent))])
      (cond
        [(or (fl= y 0.0) (fl= x 1.0)) 1.0]
        [(flnan? x) nan]
        [(fl= y 1.0) x]
        [(fl= y 2.0) (fl* x x)]
        [(fl= y -1.0) (fl/ 1.0 x)]
        [(or (fl= x 0.0) (flinfinite? x))
         (let ([size (if (eq? (fl= x 0.0) (fl> y 0.0)) 0.0 infinity)])
           (if (and odd (bitwise-bit-set? (double->bits x) 63)) (fl- size) size))]
        [(fl> x 0.0) (if (fl= y 0.5) (flsqrt x) (positive-power x exponent))]
        [(not (integer? exponent)) nan]
        [odd (fl- (exact-pow (fl- x) y))]
        [else (exact-pow (fl- x) y)]))))

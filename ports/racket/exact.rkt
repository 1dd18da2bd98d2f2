#lang racket/base
;; exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone.

(require racket/flonum racket/math)
(provide double->bits bits->double exact-exp exact-log exact-sin exact-cos exact-pow)

(define (bits->double bits)
  (define x (floating-point-bytes->real (integer->integer-bytes bits 8 #f #t) #t))
  (if (nan? x) +nan.0 x))

;; All NaNs count as one.
(define (double->bits x)
  (if (nan? x)
      #x7ff8000000000000
      (integer-bytes->integer (real->floating-point-bytes x 8 #t) #f #t)))

;; m * 2^e, rounded once at the last place that the result has, ties to even. A double's bits are in the
;; order of its size, so a fraction that rounds up to 2^53 carries into the exponent, even to infinity.
(define (nearest-double m e)
  (define size (abs m))
  (define top (+ (integer-length size) e))
  (define last (max (- top 53) -1074))
  (define rounded
    (cond
      [(> top 1024) +inf.0]
      [(< top -1074) 0.0]
      [else (bits->double (+ (arithmetic-shift (+ last 1074) 52) (shift-and-round size (- e last))))]))
  (if (negative? m) (fl* -1.0 rounded) rounded))

(define (shift-and-round n places)
  (define kept (arithmetic-shift n places))
  (cond
    [(>= places 0) kept]
    [else
     (define twice-the-rest (* 2 (- n (arithmetic-shift kept (- places)))))
     (define unit (arithmetic-shift 1 (- places)))
     (if (or (> twice-the-rest unit) (and (= twice-the-rest unit) (odd? kept)))
         (add1 kept)
         kept)]))

;; A finite x > 0 as an integer and a power of two.
(define (split x)
  (define-values (exponent fraction) (quotient/remainder (double->bits x) (expt 2 52)))
  (if (zero? exponent)
      (values fraction -1074)
      (values (+ fraction (expt 2 52)) (- exponent 1075))))

;; ---- Fixed point: below, an integer stands for itself / 2^bits.

(define (one bits) (arithmetic-shift 1 bits))
(define (times bits a b) (arithmetic-shift (* a b) (- bits)))

(define (fixed bits x)
  (define-values (m e) (split (abs x)))
  (* (if (< x 0.0) -1 1) (arithmetic-shift m (+ e bits))))

;; Rounds (value bits) * 2^scale. It is off by less than 2^24 units of its last place (2^17, by a generous
;; count); while the ends of that interval do not round alike, it is given more bits.
(define (settle value #:scale [scale 0] #:bits [bits 192])
  (define y (value bits))
  (define slack (expt 2 24))
  (define low (nearest-double (- y slack) (- scale bits)))
  (define high (nearest-double (+ y slack) (- scale bits)))
  (if (= low high)
      low
      (settle value #:scale scale #:bits (* 2 bits))))

;; The sum of the parts of all terms until they vanish. The first term has the number n, (next term n) is the
;; term of the number n + step.
(define (series term n step next [part (λ (term n) term)])
  (let loop ([term term] [n n] [sum 0])
    (if (<= (integer-length term) 1)
        sum
        (loop (next term n) (+ n step) (+ sum (part term n))))))

;; A constant, computed once for each precision, with 16 bits to spare.
(define (constant compute)
  (define known (make-hasheqv))
  (λ (bits)
    (hash-ref! known bits (λ () (arithmetic-shift (compute (+ bits 16)) -16)))))

;; artanh of 1/n for the sign 1, arctan of 1/n for -1.
(define (inverse-arc bits sign n)
  (series (quotient (one bits) n) 1 2 (λ (term _) (quotient term (* sign n n))) quotient))

(define ln2 (constant (λ (bits) (* 2 (inverse-arc bits 1 3)))))
(define half-pi (constant (λ (bits) (- (* 8 (inverse-arc bits -1 5)) (* 2 (inverse-arc bits -1 239))))))

(define (nearest-integer x) (fl->exact-integer (flround x)))

(define (exact-exp x)
  (cond
    [(nan? x) +nan.0]
    [(> x 710.0) +inf.0]
    [(< x -746.0) 0.0]
    [(< (abs x) (expt 2.0 -54)) 1.0]
    [else
     (define k (nearest-integer (/ x 0.6931471805599453)))
     (define halvings 12)
     (define (value bits)
       (define r (arithmetic-shift (- (fixed bits x) (* k (ln2 bits))) (- halvings)))
       (define y (series (one bits) 1 1 (λ (term n) (quotient (times bits term r) n))))
       (for/fold ([y y]) ([_ (in-range halvings)])
         (times bits y y)))
     (settle value #:scale k)]))

(define (exact-log x)
  (cond
    [(or (nan? x) (< x 0.0)) +nan.0]
    [(= x 0.0) -inf.0]
    [(= x 1.0) 0.0]
    [(= x +inf.0) x]
    [else
     (define-values (m e) (split x))
     (define size (integer-length m))
     (define k (if (< (/ m (expt 2 size)) 3/4) (+ e size -1) (+ e size))) ; x / 2^k lies from 3/4 to 3/2
     (define (value bits)
       (define y (arithmetic-shift m (+ (- e k) bits)))
       (define z (quotient (arithmetic-shift (- y (one bits)) bits) (+ y (one bits))))
       (define square (times bits z z))
       (define artanh (series z 1 2 (λ (term _) (times bits term square)) quotient))
       (+ (* 2 artanh) (* k (ln2 bits))))
     (settle value)]))

;; sin (x + quarters * pi/2), |x| <= 8.
(define (wave quarters x)
  (define q (nearest-integer (/ x 1.5707963267948966)))
  (define quadrant (modulo (+ q quarters) 4))
  (define (value bits)
    (define r (- (fixed bits x) (* q (half-pi bits))))
    (define square (times bits r r))
    (define-values (first n) (if (even? quadrant) (values r 1) (values (one bits) 0)))
    (define (next term n) (- (quotient (times bits term square) (* (+ n 1) (+ n 2)))))
    (* (if (< quadrant 2) 1 -1) (series first n 2 next)))
  (settle value))

(define (exact-sin x)
  (cond
    [(nan? x) +nan.0]
    [(< (abs x) (expt 2.0 -26)) x]
    [else (wave 0 x)]))

(define (exact-cos x)
  (cond
    [(nan? x) +nan.0]
    [(< (abs x) (expt 2.0 -27)) 1.0]
    [else (wave 1 x)]))

;; x > 0 to the integer or half-integer y. The last bit is sticky: it says whether anything was left over.
(define (positive-power x y)
  (define-values (m q) (split x))
  (define whole? (integer? y))
  (define exponent (if whole? y (* 2 y)))
  (define zeros (sub1 (integer-length (bitwise-and m (- m)))))
  (define n (expt (arithmetic-shift m (- zeros)) (abs exponent)))
  (define e (* (+ q zeros) exponent))
  (define size (integer-length n))
  (define least (if (positive? exponent) (max 0 (- 132 size)) (+ 132 size)))
  (define shift (if (or whole? (even? (- e least))) least (add1 least)))
  (define-values (value rest)
    (if (positive? exponent)
        (values (arithmetic-shift n shift) 0)
        (quotient/remainder (one shift) n)))
  (define-values (root left) (if whole? (values value 0) (integer-sqrt/remainder value)))
  (define sticky (if (and (zero? rest) (zero? left)) 0 1))
  (nearest-double (+ (* 2 root) sticky)
                  (sub1 (if whole? (- e shift) (/ (- e shift) 2)))))

(define (exact-pow x y)
  (define exponent (inexact->exact y))
  (define odd (and (integer? exponent) (odd? exponent)))
  (cond
    [(or (= y 0.0) (= x 1.0)) 1.0]
    [(nan? x) +nan.0]
    [(= y 1.0) x]
    [(= y 2.0) (* x x)]
    [(= y -1.0) (/ 1.0 x)]
    [(or (= x 0.0) (infinite? x))
     (define size (if (eq? (= x 0.0) (> y 0.0)) 0.0 +inf.0))
     (if (and odd (or (eqv? x -0.0) (eqv? x -inf.0))) (fl* -1.0 size) size)]
    [(> x 0.0) (if (= y 0.5) (flsqrt x) (positive-power x exponent))]
    [(not (integer? exponent)) +nan.0]
    [else (* (if odd -1.0 1.0) (exact-pow (fl* -1.0 x) y))]))

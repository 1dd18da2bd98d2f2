;;;; exp, log, sin, cos and expt: the double nearest to the true value, found with integers alone.

(defpackage :microgpt
  (:use :common-lisp))

(in-package :microgpt)

(sb-ext:defglobal **infinity** sb-ext:double-float-positive-infinity)
(sb-ext:defglobal **nan** (sb-kernel:make-double-float #x7ff80000 0))
(declaim (type double-float **infinity** **nan**))

(defun nan-p (x) (sb-ext:float-nan-p x))
(defun infinite-p (x) (sb-ext:float-infinity-p x))

(defun nearest-double (m e)
  "M * 2^E, rounded once at the last place that the result has, ties to even."
  (let* ((size (abs m))
         (top (+ (integer-length size) e))
         (last (max (- top 53) -1074))
         (drop (- last e)))
    (* (if (minusp m) -1d0 1d0)
       (cond ((> top 1024) **infinity**)
             ((< top -1074) 0d0)
             (t (let ((kept (if (plusp drop) (values (round size (ash 1 drop))) (ash size (- drop)))))
                  (scale-float (coerce kept 'double-float) last)))))))

;;; A number in fixed point is an integer that stands for itself / 2^*bits*.

(defvar *bits* 192 "How many bits of a number in fixed point come after the point.")

(defun one () (ash 1 *bits*))
(defun times (a b) (ash (* a b) (- *bits*)))
(defun over (a n) (values (truncate a n)))

(defun fixed (x)
  (multiple-value-bind (m e sign) (integer-decode-float x)
    (* sign (ash m (+ e *bits*)))))

(defun settle (scale compute)
  "Round what COMPUTE returns, times 2^SCALE. It is off by less than 2^24 units of its last place (2^17, by a
generous count); while the ends of that interval do not round alike, it is given more bits."
  (loop with slack = (ash 1 24)
        for *bits* = 192 then (* 2 *bits*)
        for y = (funcall compute)
        for low = (nearest-double (- y slack) (- scale *bits*))
        for high = (nearest-double (+ y slack) (- scale *bits*))
        when (= low high) return low))

(defmacro correctly-rounded ((&key (scale 0)) &body body)
  "The value of BODY, a number in fixed point, times 2^SCALE, as the nearest double."
  `(settle ,scale (lambda () ,@body)))

(defmacro sum-series ((term first) (n start step) part next)
  "The sum of PART over all terms until they vanish. TERM is FIRST, then NEXT; N grows by STEP."
  `(do ((,n ,start (+ ,n ,step))
        (,term ,first ,next)
        (sum 0 (+ sum ,part)))
       ((<= (integer-length ,term) 1) sum)))

(defmacro define-fixed-constant (name value)
  "A function without arguments. It computes VALUE once for each precision, with 16 bits to spare."
  `(let ((known (make-hash-table)))
     (defun ,name ()
       (or (gethash *bits* known)
           (setf (gethash *bits* known)
                 (ash (let ((*bits* (+ *bits* 16))) ,value) -16))))))

(defun inverse-arc (sign n)
  "artanh of 1/N for the sign 1, arctan of 1/N for -1."
  (sum-series (term (over (one) n)) (k 1 2)
              (over term k)
              (over term (* sign n n))))

(define-fixed-constant ln2 (* 2 (inverse-arc 1 3)))
(define-fixed-constant half-pi (- (* 8 (inverse-arc -1 5)) (* 2 (inverse-arc -1 239))))

(defun exact-exp (x)
  (declare (type double-float x))
  (cond ((nan-p x) **nan**)
        ((> x 710) **infinity**)
        ((< x -746) 0d0)
        ((< (abs x) (scale-float 1d0 -54)) 1d0)
        (t (let ((k (round x 0.6931471805599453d0))
                 (halvings 12))
             (correctly-rounded (:scale k)
               (let* ((r (ash (- (fixed x) (* k (ln2))) (- halvings)))
                      (y (sum-series (term (one)) (n 0 1) term (over (times term r) (1+ n)))))
                 (loop repeat halvings do (setf y (times y y)))
                 y))))))

(defun exact-log (x)
  (declare (type double-float x))
  (cond ((or (nan-p x) (minusp x)) **nan**)
        ((zerop x) (- **infinity**))
        ((= x 1) 0d0)
        ((infinite-p x) x)
        (t (multiple-value-bind (m e) (decode-float x)
             (when (< m 0.75d0)
               (setf m (* 2 m) e (1- e)))
             (correctly-rounded ()
               (let* ((m (fixed m))
                      (z (truncate (ash (- m (one)) *bits*) (+ m (one))))
                      (square (times z z))
                      (artanh (sum-series (term z) (n 1 2) (over term n) (times term square))))
                 (+ (* 2 artanh) (* e (ln2)))))))))

(defun wave (quarters x)
  "sin (X + QUARTERS * pi/2), |X| <= 8."
  (let* ((q (round x 1.5707963267948966d0))
         (quadrant (mod (+ q quarters) 4)))
    (correctly-rounded ()
      (let* ((r (- (fixed x) (* q (half-pi))))
             (square (times r r))
             (y (multiple-value-bind (first start) (if (evenp quadrant) (values r 1) (values (one) 0))
                  (sum-series (term first) (n start 2)
                              term
                              (over (times term square) (- (* (+ n 1) (+ n 2))))))))
        (if (< quadrant 2) y (- y))))))

(defun exact-sin (x)
  (cond ((nan-p x) **nan**)
        ((< (abs x) (scale-float 1d0 -26)) x)
        (t (wave 0 x))))

(defun exact-cos (x)
  (cond ((nan-p x) **nan**)
        ((< (abs x) (scale-float 1d0 -27)) 1d0)
        (t (wave 1 x))))

(defun positive-power (x y)
  "X > 0 to the integer or half-integer Y. The last bit is sticky: it says whether anything was left over."
  (multiple-value-bind (m e) (integer-decode-float x)
    (let* ((whole (integerp y))
           (zeros (1- (integer-length (logand m (- m)))))
           (exponent (if whole y (* 2 y)))
           (n (expt (ash m (- zeros)) (abs exponent)))
           (e (* (+ e zeros) exponent))
           (size (integer-length n))
           (shift (if (plusp exponent) (max 0 (- 132 size)) (+ 132 size))))
      (unless (or whole (evenp (- e shift)))
        (incf shift))
      (multiple-value-bind (value rest) (if (plusp exponent) (values (ash n shift) 0) (truncate (ash 1 shift) n))
        (let* ((root (if whole value (isqrt value)))
               (exact (and (zerop rest) (or whole (= (* root root) value)))))
          (nearest-double (+ (* 2 root) (if exact 0 1))
                          (1- (if whole (- e shift) (/ (- e shift) 2)))))))))

(defun exact-expt (x y)
  (declare (type double-float x y))
  (let* ((exponent (rational y))
         (whole (integerp exponent))
         (odd (and whole (oddp exponent))))
    (cond ((or (zerop y) (= x 1)) 1d0)
          ((nan-p x) **nan**)
          ((= y 1) x)
          ((= y 2) (* x x))
          ((= y -1) (/ 1 x))
          ((or (zerop x) (infinite-p x))
           (float-sign (if odd x 1d0) (if (eq (zerop x) (plusp y)) 0d0 **infinity**)))
          ((plusp x) (if (= y 0.5d0) (sqrt x) (positive-power x exponent)))
          ((not whole) **nan**)
          (t (* (if odd -1d0 1d0) (exact-expt (- x) y))))))

(defun square-root (x)
  "As IEEE 754 has it, where Lisp's own turns to complex numbers."
  (declare (type double-float x))
  (cond ((plusp x) (sqrt x))
        ((zerop x) x)
        (t **nan**)))

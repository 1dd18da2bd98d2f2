;;; Requests and replies: lines of words. Whatever is wrong with a request is raised as a string.

(library (protocol)
  (export lines longest take take-one take-while line-case each-line finish
          whole double exponent code-point one-of take-tensor take-matrices
          put put-tensor put-matrices put-checksum)
  (import (chezscheme) (exact) (model))

  (define longest 65536)

  ;; ---- Reading.

  ;; The lines of the request that are still to be read.
  (define lines (make-parameter '()))

  (define (words line)
    (when (> (string-length line) longest)
      (refuse "a line is longer than ~d bytes" longest))
    (let split ([i (string-length line)] [end (string-length line)] [words '()])
      (cond
        [(fx= i 0) (cons (substring line 0 end) words)]
        [(char=? (string-ref line (fx- i 1)) #\space)
         (split (fx- i 1) (fx- i 1) (cons (substring line i end) words))]
        [else (split (fx- i 1) end words)])))

  (define (next-line)
    (when (null? (lines))
      (refuse "the request ends too early"))
    (let ([line (car (lines))])
      (lines (cdr (lines)))
      (words line)))

  (define (finish)
    (unless (null? (lines))
      (refuse "expected the end")))

  ;; The values of the next line, which must have this key.
  (define (take key)
    (let ([line (next-line)])
      (if (string=? (car line) key)
          (cdr line)
          (refuse "expected a line ~a" key))))

  ;; What read makes of the one value of that line.
  (define (take-one key read)
    (let ([values (take key)])
      (if (and (pair? values) (null? (cdr values)))
          (read (car values))
          (refuse "~a takes 1 value" key))))

  ;; What read makes of the values of each line with this key.
  (define (take-while key read)
    (let loop ([items '()])
      (if (and (pair? (lines)) (string=? key (car (words (car (lines))))))
          (loop (cons (read (take key)) items))
          (reverse items))))

  ;; Reads the next line. The clause with its key takes its values as a procedure with such formals would.
  (define-syntax line-case
    (syntax-rules ()
      [(_ [(name . formals) body ...] ...)
       (let* ([line (next-line)] [key (car line)])
         (cond
           [(string=? key name)
            (apply (case-lambda
                     [formals body ...]
                     [_ (refuse "~a takes another number of values" name)])
                   (cdr line))]
           ...
           [else (refuse "an unknown key")]))]))

  ;; The same for each of the lines that are left; there must be one.
  (define-syntax each-line
    (syntax-rules ()
      [(_ clause ...)
       (let loop ()
         (line-case clause ...)
         (unless (null? (lines))
           (loop)))]))

  (define (digit? c) (char<=? #\0 c #\9))
  (define (hex-digit? c) (or (digit? c) (char<=? #\a c #\f)))

  ;; A reader of integers from low to high.
  (define (whole low high)
    (lambda (word)
      (unless (and (<= 1 (string-length word) 10)
                   (for-all digit? (string->list word))
                   (or (string=? word "0") (not (char=? (string-ref word 0) #\0))))
        (refuse "expected an integer"))
      (let ([n (string->number word)])
        (if (<= low n high) n (refuse "an integer is not in the range from ~d to ~d" low high)))))

  (define (double word)
    (unless (and (= (string-length word) 16) (for-all hex-digit? (string->list word)))
      (refuse "a double has 16 lower-case hex digits"))
    (let ([x (bits->double (string->number word 16))])
      (if (flnan? x) nan x)))

  (define (exponent word limit)
    (let ([c (double word)])
      (if (and (fl<= (flabs c) limit) (flinteger? (fl* 2.0 c)))
          c
          (refuse "an exponent is an integer or half-integer up to ~d" limit))))

  (define (code-point word)
    (let ([point ((whole 0 #x10ffff) word)])
      (if (<= #xd800 point #xdfff)
          (refuse "a surrogate is not a code point")
          (integer->char point))))

  ;; A reader of one of a few words; it gives what the word stands for.
  (define (one-of choices)
    (lambda (word)
      (let ([choice (assoc word choices)])
        (if choice (cdr choice) (refuse "expected one of ~{ ~a~}" (map car choices))))))

  ;; A vector of rows. A shape that is #f may be any.
  (define (take-tensor name rows columns)
    (define (row columns)
      (let ([row (list->vector (map double (take "row")))])
        (if (= (vector-length row) columns) row (refuse "a row of ~a does not have ~d values" name columns))))
    (define size (whole 1 2048))
    (line-case
      [("tensor" found r c)
       (unless (string=? found name)
         (refuse "expected the tensor ~a" name))
       (let ([r (size r)] [c (size c)])
         (unless (and (= r (or rows r)) (= c (or columns c)))
           (refuse "~a has the wrong shape" name))
         (tabulate r (lambda (i) (row c))))]))

  ;; The doubles of all matrices of a model. Each tensor's name begins with the prefix.
  (define (take-matrices shape prefix)
    (define (take-matrix name rows columns) (join (vector->list (take-tensor (string-append prefix name) rows columns))))
    (join (map-in-order (lambda (matrix) (apply take-matrix matrix)) (matrices shape))))

  ;; ---- Writing. The current output is the reply, which is known before it is sent.

  (define (put-hex bits digits)
    (do ([shift (* 4 (- digits 1)) (- shift 4)])
        ((negative? shift))
      (write-char (string-ref "0123456789abcdef" (fxand (fxsrl bits shift) 15)))))

  (define (halves x)
    (let ([bits (double->bits x)])
      (values (ash bits -32) (bitwise-and bits #xffffffff))))

  (define (put-value value)
    (cond
      [(flonum? value)
       (write-char #\space)
       (let-values ([(high low) (halves value)])
         (put-hex high 8)
         (put-hex low 8))]
      [(vector? value) (vector-for-each put-value value)]
      [(list? value) (for-each put-value value)]
      [else
       (write-char #\space)
       (display value)]))

  ;; A line of the reply. A list or vector among the values stands for its items.
  (define (put key . values)
    (display key)
    (for-each put-value values)
    (newline))

  (define (put-rows name rows)
    (put "tensor" name (vector-length rows) (vector-length (vector-ref rows 0)))
    (vector-for-each (lambda (row) (put "row" row)) rows))

  (define (rows-of doubles start rows columns)
    (tabulate rows
      (lambda (row) (tabulate columns (lambda (column) (vector-ref doubles (+ start (* row columns) column)))))))

  (define (put-tensor name doubles rows columns)
    (put-rows name (rows-of doubles 0 rows columns)))

  (define (put-matrices shape prefix doubles)
    (fold-left
      (lambda (start matrix)
        (let-values ([(name rows columns) (apply values matrix)])
          (put-rows (string-append prefix name) (rows-of doubles start rows columns))
          (+ start (* rows columns))))
      0 (matrices shape)))

  (define (put-checksum key doubles)
    (define (modulus x) (if (fx>= x 4294967291) (fx- x 4294967291) x))
    (let loop ([i 0] [a 1] [b 0])
      (if (fx= i (vector-length doubles))
          (begin
            (display key)
            (write-char #\space)
            (put-hex a 8)
            (write-char #\space)
            (put-hex b 8)
            (newline))
          (let*-values ([(high low) (halves (vector-ref doubles i))]
                        [(a) (modulus (fx+ a high))]
                        [(b) (modulus (fx+ b a))]
                        [(a) (modulus (fx+ a low))])
            (loop (fx+ i 1) a (modulus (fx+ b a))))))))

!> Requests and replies (SPEC, sections 11 and 13).
!>
!> A problem is a flag that stays up, like those of IEEE 754: once one is raised, whatever is read is harmless, and the
!> verb looks at the flag before it computes.
module protocol
  use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_f_pointer, c_int, c_null_char, c_null_ptr, &
    c_ptr, c_size_t
  use, intrinsic :: iso_fortran_env, only: int64, output_unit, real64
  use exact, only: bits_of, double_of
  implicit none
  private
  public :: request_type, reply_type, raise, reset, failed, problem, read_line, send

  integer, parameter :: longest = 65536
  character(*), parameter :: digits = '0123456789abcdef'
  character(:), allocatable, protected :: problem

  type :: request_type
    character(:), allocatable :: verb, id, key  ! key is that of the line taken last
    logical :: is_complete = .false.
    integer :: values = 0                       ! how many that line has
    character(:), allocatable, private :: text
    integer, allocatable, private :: starts(:), firsts(:)
    integer, private :: count = 0, next = 2
  contains
    procedure :: read => read_request
    procedure :: take_next, take, take_double, take_integer, take_choice, take_math, take_tensor, finish
    procedure :: at_end, next_is, is, word, double, whole, doubles, wholes
  end type

  type :: reply_type
    character(:), allocatable :: text
    integer :: length = 0
  contains
    procedure :: line, put_text
    procedure, private :: put_double, put_doubles, put_integer, put_integers, put_list
    generic :: put => put_double, put_doubles, put_integer, put_integers, put_list
    procedure :: put_tensor, put_checksum
  end type

  interface
    integer(c_size_t) function getline(line, room, stream) bind(c)
      import :: c_ptr, c_size_t
      type(c_ptr), intent(inout) :: line
      integer(c_size_t), intent(inout) :: room
      type(c_ptr), value :: stream
    end function
    type(c_ptr) function fdopen(descriptor, mode) bind(c)
      import :: c_char, c_int, c_ptr
      integer(c_int), value :: descriptor
      character(kind=c_char), intent(in) :: mode(*)
    end function
  end interface

contains

  subroutine raise(reason)
    character(*), intent(in) :: reason
    if (.not. failed()) problem = reason
  end subroutine

  subroutine reset()
    if (failed()) deallocate (problem)
  end subroutine

  logical function failed()
    failed = allocated(problem)
  end function

  !> The next line of standard input. Fortran's own READ would take a carriage return for the end of a line.
  logical function read_line(line)
    character(:), allocatable, intent(out) :: line
    type(c_ptr), save :: buffer = c_null_ptr, stream = c_null_ptr
    integer(c_size_t), save :: room = 0
    character(kind=c_char), pointer :: characters(:)
    integer :: length, i
    if (.not. c_associated(stream)) stream = fdopen(0_c_int, 'r' // c_null_char)
    length = int(getline(buffer, room, stream))
    read_line = length > 0
    if (.not. read_line) return
    call c_f_pointer(buffer, characters, [length])
    if (characters(length) == new_line('a')) length = length - 1
    allocate (character(length) :: line)
    do i = 1, length
      line(i:i) = characters(i)
    end do
  end function

  subroutine send(text)
    character(*), intent(in) :: text
    write (output_unit, '(a)') text
    flush (output_unit)
  end subroutine

  !> The lines up to `end`. One that nothing allows becomes an empty one: nothing allows that, either.
  logical function read_request(self)
    class(request_type), intent(out) :: self
    character(:), allocatable :: line
    integer, allocatable :: more(:)
    integer :: used
    allocate (character(4096) :: self%text)
    allocate (self%starts(64), self%firsts(64))
    used = 0
    self%starts(1) = 1
    do while (read_line(line))
      self%is_complete = line == 'end' .and. len(line) == 3
      if (self%is_complete) exit
      if (len(line) > longest .or. .not. is_plain(line)) line = ''
      self%count = self%count + 1
      if (self%count == size(self%starts)) then
        allocate (more(2 * self%count))
        more(:self%count) = self%starts
        call move_alloc(more, self%starts)
      end if
      call append(self%text, used, line)
      self%starts(self%count + 1) = used + 1
    end do
    read_request = self%is_complete .or. self%count > 0
    if (.not. read_request) return
    self%next = 1
    if (self%count == 0) then
      call raise('the first line must be a verb and an id')
    else
      call self%take_next()
      if (self%values /= 1 .or. len(self%key) == 0) call raise('the first line must be a verb and an id')
    end if
    self%verb = self%key
    self%id = self%word(1)
    if (len(self%id) == 0 .or. len(self%id) > 64 .or. verify(self%id, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' // &
      'abcdefghijklmnopqrstuvwxyz0123456789._-') > 0) call raise('an id has 1 to 64 letters, digits, dots, _ or -')
    if (failed()) self%id = '-'
  end function

  logical function is_plain(line)
    character(*), intent(in) :: line
    integer :: i
    is_plain = .true.
    do i = 1, len(line)
      if (line(i:i) < ' ' .or. line(i:i) > '~') is_plain = .false.
    end do
  end function

  subroutine append(text, used, piece)
    character(:), allocatable, intent(inout) :: text
    integer, intent(inout) :: used
    character(*), intent(in) :: piece
    character(:), allocatable :: longer
    if (used + len(piece) > len(text)) then
      allocate (character(2 * (used + len(piece))) :: longer)
      longer(:used) = text(:used)
      call move_alloc(longer, text)
    end if
    text(used + 1:used + len(piece)) = piece
    used = used + len(piece)
  end subroutine

  logical function at_end(self)
    class(request_type), intent(in) :: self
    at_end = failed() .or. self%next > self%count
  end function

  logical function next_is(self, key)
    class(request_type), intent(in) :: self
    character(*), intent(in) :: key
    next_is = .false.
    if (self%at_end()) return
    associate (line => self%text(self%starts(self%next):self%starts(self%next + 1) - 1))
      if (len(line) == len(key)) next_is = line == key
      if (len(line) > len(key)) next_is = line(:len(key) + 1) == key // ' '
    end associate
  end function

  !> Takes the next line apart.
  subroutine take_next(self)
    class(request_type), intent(inout) :: self
    integer, allocatable :: more(:)
    integer :: i, last
    self%values = 0
    self%key = ''
    if (self%next > self%count) call raise('expected another line, but the request ends')
    if (failed()) return
    last = self%starts(self%next + 1) - 1
    self%firsts(1) = self%starts(self%next)
    do i = self%starts(self%next), last
      if (self%text(i:i) /= ' ') cycle
      self%values = self%values + 1
      if (self%values + 2 > size(self%firsts)) then
        allocate (more(2 * size(self%firsts)))
        more(:size(self%firsts)) = self%firsts
        call move_alloc(more, self%firsts)
      end if
      self%firsts(self%values + 1) = i + 1
    end do
    self%firsts(self%values + 2) = last + 2
    self%next = self%next + 1
    self%key = self%word(0)
  end subroutine

  !> Takes the next line, which must have this key and so many values.
  subroutine take(self, key, values)
    class(request_type), intent(inout) :: self
    character(*), intent(in) :: key
    integer, intent(in), optional :: values
    if (.not. self%next_is(key)) call raise('expected a line ' // key)
    call self%take_next()
    if (.not. present(values)) return
    if (self%values /= values) call raise('a line ' // key // ' has too many values, or too few')
  end subroutine

  !> Whether the line taken last is of this kind.
  logical function is(self, key, values)
    class(request_type), intent(in) :: self
    character(*), intent(in) :: key
    integer, intent(in) :: values
    is = self%key == key .and. len(self%key) == len(key) .and. self%values == values .and. .not. failed()
  end function

  function word(self, place)
    class(request_type), intent(in) :: self
    integer, intent(in) :: place
    character(:), allocatable :: word
    word = ''
    if (place <= self%values .and. .not. failed()) word = self%text(self%firsts(place + 1):self%firsts(place + 2) - 2)
  end function

  real(real64) function double(self, place)
    class(request_type), intent(in) :: self
    integer, intent(in) :: place
    integer(int64) :: pattern
    integer :: i, digit, first
    double = 0.0_real64
    if (place > self%values) call raise('expected another double')
    if (failed()) return
    first = self%firsts(place + 1)
    if (self%firsts(place + 2) - 1 - first /= 16) call raise('a double has 16 hex digits')
    pattern = 0
    do i = first, min(first + 15, len(self%text))
      digit = index(digits, self%text(i:i)) - 1
      if (digit < 0) call raise('a double has lower-case hex digits')
      pattern = ior(shiftl(pattern, 4), int(digit, int64))
    end do
    if (.not. failed()) double = double_of(pattern)
  end function

  integer(int64) function whole(self, place, low, high)
    class(request_type), intent(in) :: self
    integer, intent(in) :: place
    integer(int64), intent(in) :: low, high
    integer :: i, first, last
    whole = low
    if (place > self%values) call raise('expected another integer')
    if (failed()) return
    first = self%firsts(place + 1)
    last = self%firsts(place + 2) - 2
    if (last < first .or. last > first + 9) call raise('an integer has 1 to 10 digits')
    if (failed()) return
    if (verify(self%text(first:last), digits(:10)) > 0) call raise('an integer has decimal digits')
    if (self%text(first:first) == '0' .and. last > first) call raise('an integer has no leading zeros')
    if (failed()) return
    whole = 0
    do i = first, last
      whole = 10 * whole + index(digits, self%text(i:i)) - 1
    end do
    if (whole >= low .and. whole <= high) return
    call raise('an integer is out of range')
    whole = low
  end function

  function doubles(self, first) result(x)
    class(request_type), intent(in) :: self
    integer, intent(in) :: first
    real(real64), allocatable :: x(:)
    integer :: i
    x = [(self%double(i), i = first, self%values)]
  end function

  function wholes(self, low, high) result(x)
    class(request_type), intent(in) :: self
    integer, intent(in) :: low, high
    integer, allocatable :: x(:)
    integer :: i
    x = [(int(self%whole(i, int(low, int64), int(high, int64))), i = 1, self%values)]
  end function

  real(real64) function take_double(self, key)
    class(request_type), intent(inout) :: self
    character(*), intent(in) :: key
    call self%take(key, 1)
    take_double = self%double(1)
  end function

  integer function take_integer(self, key, low, high)
    class(request_type), intent(inout) :: self
    character(*), intent(in) :: key
    integer, intent(in) :: low, high
    call self%take(key, 1)
    take_integer = int(self%whole(1, int(low, int64), int(high, int64)))
  end function

  !> Whether the value of this line is the second of the two words.
  logical function take_choice(self, key, first, second)
    class(request_type), intent(inout) :: self
    character(*), intent(in) :: key, first, second
    call self%take(key, 1)
    take_choice = self%word(1) == second
    if (self%word(1) /= first .and. .not. take_choice) call raise('expected ' // first // ' or ' // second)
  end function

  subroutine take_math(self)
    class(request_type), intent(inout) :: self
    if (self%take_choice('math', 'exact', 'native')) call raise('unsupported')
  end subroutine

  !> A tensor; rows and columns are read, too, where they are 0.
  subroutine take_tensor(self, name, rows, columns, x)
    class(request_type), intent(inout) :: self
    character(*), intent(in) :: name
    integer, intent(inout) :: rows, columns
    real(real64), allocatable, intent(inout) :: x(:)
    real(real64), allocatable :: numbers(:)
    integer :: i
    call self%take('tensor', 3)
    if (self%word(1) /= name) call raise('expected the tensor ' // name)
    if (rows == 0) rows = int(self%whole(2, 1_int64, 2048_int64))
    if (columns == 0) columns = int(self%whole(3, 1_int64, 2048_int64))
    if (self%whole(2, 1_int64, 2048_int64) /= rows .or. self%whole(3, 1_int64, 2048_int64) /= columns) &
      call raise('the tensor ' // name // ' has the wrong shape')
    if (failed()) return
    allocate (numbers(rows * columns))
    do i = 0, rows - 1
      call self%take('row', columns)
      if (failed()) return
      numbers(i * columns + 1:(i + 1) * columns) = self%doubles(1)
    end do
    x = [x, numbers]
  end subroutine

  subroutine finish(self)
    class(request_type), intent(in) :: self
    if (self%next <= self%count) call raise('expected end, but there are more lines')
  end subroutine

  !> Puts a line.
  subroutine line(self, text)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: text
    call self%put_text(text)
    call self%put_text(new_line('a'))
  end subroutine

  subroutine put_text(self, text)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: text
    if (.not. allocated(self%text)) allocate (character(4096) :: self%text)
    call append(self%text, self%length, text)
  end subroutine

  pure function hex(pattern, width)
    integer(int64), intent(in) :: pattern
    integer, intent(in) :: width
    character(width) :: hex
    integer :: i, digit
    do i = 1, width
      digit = int(ibits(pattern, 4 * (width - i), 4)) + 1
      hex(i:i) = digits(digit:digit)
    end do
  end function

  subroutine put_doubles(self, key, x)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: key
    real(real64), intent(in) :: x(:)
    integer :: i
    call self%put_text(key)
    do i = 1, size(x)
      call self%put_text(' ' // hex(bits_of(x(i)), 16))
    end do
    call self%put_text(new_line('a'))
  end subroutine

  subroutine put_double(self, key, x)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: key
    real(real64), intent(in) :: x
    call self%put_doubles(key, [x])
  end subroutine

  subroutine put_integers(self, key, x)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: key
    integer(int64), intent(in) :: x(:)
    character(20) :: number
    integer :: i
    call self%put_text(key)
    do i = 1, size(x)
      write (number, '(i0)') x(i)
      call self%put_text(' ' // trim(number))
    end do
    call self%put_text(new_line('a'))
  end subroutine

  subroutine put_integer(self, key, x)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: key
    integer, intent(in) :: x
    call self%put_integers(key, [int(x, int64)])
  end subroutine

  subroutine put_list(self, key, x)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: key
    integer, intent(in) :: x(:)
    call self%put_integers(key, int(x, int64))
  end subroutine

  subroutine put_tensor(self, name, rows, columns, x)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: name
    integer, intent(in) :: rows, columns
    real(real64), intent(in) :: x(:)
    integer :: i
    call self%put_integers('tensor ' // name, [integer(int64) :: rows, columns])
    do i = 1, rows
      call self%put_doubles('row', x((i - 1) * columns + 1:i * columns))
    end do
  end subroutine

  subroutine put_checksum(self, key, x)
    class(reply_type), intent(inout) :: self
    character(*), intent(in) :: key
    real(real64), intent(in) :: x(:)
    integer(int64), parameter :: prime = 4294967291_int64
    integer(int64) :: a, b, pattern
    integer :: i
    a = 1
    b = 0
    do i = 1, size(x)
      pattern = bits_of(x(i))
      a = mod(a + ibits(pattern, 32, 32), prime)
      b = mod(b + a, prime)
      a = mod(a + ibits(pattern, 0, 32), prime)
      b = mod(b + a, prime)
    end do
    call self%line(key // ' ' // hex(a, 8) // ' ' // hex(b, 8))
  end subroutine
end module

--  The port ada of microgpt: a procedure for each verb (SPEC, section 12), and the command line.

with Ada.Command_Line;
with Ada.Containers.Vectors;
with Ada.Exceptions;
with Ada.Strings.Unbounded; use Ada.Strings.Unbounded;
with Ada.Text_IO;
with Exact;                 use Exact;
with GPT;
with Protocol;              use Protocol;
with Tape;                  use Tape;
with Twister;

procedure Microgpt is

   Greatest_Word : constant := 2 ** 32 - 1;
   Other_Key     : constant String := "expected another key";

   function "+" (Text : String) return Unbounded_String renames To_Unbounded_String;

   function Code_Points (Line : String) return Integers is
   begin
      return Points : Integers (1 .. Line'Length) do
         for I in Points'Range loop
            Points (I) := Character'Pos (Line (Line'First + I - 1));
         end loop;
      end return;
   end Code_Points;

   procedure Hello is
   begin
      Put_Line ("name ada");
      Put_Line ("protocol 1");
      Put_Line ("verbs hello arith math random tokens graph forward backward adam train sample run");
      Put_Line ("math exact");
   end Hello;

   procedure Arith is

      function Result (Key : String; X : Doubles) return Double is
         Total : Double := 0.0;
      begin
         Expect (X'Length = (if Key = "muladd" then 3 elsif Key = "sqrt" then 1 elsif Key in "sum" | "dot" then X'Length
                             else 2), "as many values as the key takes");
         if Key = "sum" then
            for Each of X loop
               Total := Total + Each;
            end loop;
         elsif Key = "dot" then
            Expect (X'Length mod 2 = 0, "pairs");
            for I in 1 .. X'Length / 2 loop
               Total := Total + X (2 * I - 1) * X (2 * I);
            end loop;
         end if;
         return
           (if Key in "sum" | "dot" then Total
            elsif Key = "add" then X (1) + X (2)
            elsif Key = "sub" then X (1) - X (2)
            elsif Key = "mul" then X (1) * X (2)
            elsif Key = "div" then X (1) / X (2)
            elsif Key = "sqrt" then Square_Root (X (1))
            elsif Key = "muladd" then X (1) * X (2) + X (3)
            else raise Bad_Request with Other_Key);
      end Result;

      procedure Answer (Key : String; X : Doubles) is
      begin
         Expect (X'Length > 0, "values");
         if Key = "decimals" then
            Expect (X'Length = 1 and then not (abs X (1) > 2.0 ** 53 and then Is_Finite (X (1))), "a size up to 2^53");
            Put (Key, Code_Points (Decimals (X (1))));
         else
            Put (Key, Result (Key, X));
         end if;
      end Answer;
   begin
      loop
         declare
            Key : constant String := Take_Key;
         begin
            Answer (Key, Numbers);
         end;
         exit when At_End;
      end loop;
   end Arith;

   --  A number that must be an integer or half-integer.
   function Exponent (Limit : Double) return Double is
   begin
      return C : constant Double := Number do
         Expect (abs C <= Limit and then Double'Truncation (2.0 * C) = 2.0 * C, "an integer or half-integer");
      end return;
   end Exponent;

   procedure Math is

      function Result (Key : String; X : Double) return Double is
      begin
         Expect (Key not in "sin" | "cos" or else not (abs X > 8.0), "a size up to 8");
         return
           (if Key = "exp" then Exp (X)
            elsif Key = "log" then Log (X)
            elsif Key = "sin" then Sin (X)
            elsif Key = "cos" then Cos (X)
            elsif Key = "pow" then Pow (X, Exponent (4096.0))
            else raise Bad_Request with Other_Key);
      end Result;
   begin
      Take_Math;
      loop
         declare
            Key : constant String := Take_Key;
         begin
            Put (Key, Result (Key, Number));
         end;
         exit when At_End;
      end loop;
   end Math;

   procedure Put_Words (Key : String; Count : Natural) is
      Line : Unbounded_String := +Key;
   begin
      for I in 1 .. Count loop
         Append (Line, Twister.Draw'Image);  --  which begins with a space
      end loop;
      Put_Line (To_String (Line));
   end Put_Words;

   procedure Random is

      procedure Put_State is
         Line : Unbounded_String := +("state" & Twister.Index'Image);
      begin
         for Each of Twister.State loop
            Append (Line, Each'Image);
         end loop;
         Put_Line (To_String (Line));
         if Twister.Has_Kept then
            Put ("kept", Twister.Kept);
         else
            Put_Line ("kept none");
         end if;
      end Put_State;

      procedure Answer (Key : String) is
         Limit : constant Long_Long_Integer := (if Key = "shuffle" then 10_000 else 1000);
         Count : constant Natural := (if Key = "state" then 0 else Natural (Whole (0, Limit)));
         X     : constant Doubles := Numbers;
      begin
         Expect (X'Length = (if Key = "gauss" then 1 elsif Key = "choices" then Integer'Max (1, X'Length) else 0)
                 and then X'Length <= 1000, "as many values as the key takes");
         if Key = "state" then
            Put_State;
         elsif Key = "words" then
            Put_Words (Key, Count);
         elsif Key = "random" then
            Put (Key, Doubles'[for I in 1 .. Count => Twister.Random]);
         elsif Key = "gauss" then
            Put (Key, Doubles'[for I in 1 .. Count => Twister.Gauss (X (1))]);
         elsif Key = "shuffle" then
            Put (Key, Twister.Shuffled (Count));
         elsif Key = "choices" then
            Put (Key, Integers'[for I in 1 .. Count => Twister.Choice (X)]);
         else
            raise Bad_Request with Other_Key;
         end if;
      end Answer;
   begin
      Take_Math;
      Take ("seed");
      Twister.Seed (Twister.Word (Whole (0, Greatest_Word)));
      loop
         Answer (Take_Key);
         exit when At_End;
      end loop;
   end Random;

   --  The documents of the last lines.
   function Take_Dataset return Integer_Lists.Vector is
   begin
      return Documents : Integer_Lists.Vector do
         loop
            Take ("line");
            declare
               Line : constant Integers := Wholes (0, 16#10_ffff#);
            begin
               Expect (Line'Length <= 10_000, "at most 10000 code points");
               GPT.Add_Document (Documents, Line);
            end;
            exit when At_End;
         end loop;
      end return;
   end Take_Dataset;

   procedure Tokens is
      Documents : constant Integer_Lists.Vector := Take_Dataset;
      Points    : constant Integers := GPT.Distinct (Documents);
   begin
      Put ("documents", Integers'[Documents.Last_Index]);
      Put ("vocabulary", Points);
      Put ("bos", Integers'[Points'Length]);
      for Document of Documents loop
         Put ("encoded", GPT.Encoded (Document, Points));
      end loop;
   end Tokens;

   procedure Graph is
      package Node_Vectors is new Ada.Containers.Vectors (Positive, Node);
      Known : Node_Vectors.Vector;

      function Operand return Node
      is (Known (1 + Integer (Whole (0, Long_Long_Integer (Known.Last_Index) - 1))));

      --  Operands are read first, in their order.
      function Expression (Key : String) return Node is
         A, B, E : Node;
         C       : Double := 0.0;
      begin
         if Key in "leaf" | "number_sub" | "number_div" then
            C := Number;
         end if;
         if Key /= "leaf" then
            A := Operand;
         end if;
         if Key in "add" | "sub" | "mul" | "div" then
            B := Operand;
         elsif Key in "add_number" | "sub_number" | "mul_number" | "div_number" then
            C := Number;
         elsif Key = "pow" then
            C := Exponent (1024.0);
         elsif Key = "sum" then
            E := A + 0.0;
            while Has_More loop
               B := Operand;
               E := E + B;
            end loop;
         end if;
         return
           (if Key = "leaf" then Leaf (C)
            elsif Key = "add" then A + B
            elsif Key = "sub" then A + (-1.0) * B
            elsif Key = "mul" then A * B
            elsif Key = "div" then A * B ** (-1.0)
            elsif Key = "neg" then (-1.0) * A
            elsif Key = "exp" then Exp (A)
            elsif Key = "log" then Log (A)
            elsif Key = "relu" then Relu (A)
            elsif Key = "pow" then A ** C
            elsif Key = "add_number" then A + C
            elsif Key = "sub_number" then A + (-C)
            elsif Key = "mul_number" then C * A
            elsif Key = "div_number" then (1.0 / C) * A
            elsif Key = "number_sub" then (-1.0) * A + C
            elsif Key = "number_div" then C * A ** (-1.0)
            elsif Key = "sum" then E
            else raise Bad_Request with Other_Key);
      end Expression;

      Root : Node;
   begin
      Tape.Clear;
      Take_Math;
      while not Next_Is ("root") loop
         Known.Append (Expression (Take_Key));
      end loop;
      Take ("root");
      Root := Operand;
      Tape.Backward (Root);
      for N of Known loop
         Put ("value", Value (N));
      end loop;
      for N of Known loop
         Put ("gradient", Gradient (N));
      end loop;
   end Graph;

   procedure Expect_Increasing (List : Integers) is
   begin
      Expect ((for all I in 2 .. List'Last => List (I - 1) < List (I)), "integers that increase");
   end Expect_Increasing;

   procedure Take_Shape is
   begin
      Take_Math;
      GPT.Layers := Whole ("layers", 1, 16);
      GPT.Heads := Whole ("heads", 1, 64);
      GPT.Embedding := Whole ("embedding", 1, 512);
      Expect (GPT.Embedding mod GPT.Heads = 0, "an embedding that is a multiple of heads");
      GPT.Block := Whole ("block", 1, 1024);
      GPT.Vocabulary := Whole ("vocabulary", 2, 2048);
      GPT.Is_Squared := Choice ("activation", "relu", "squared_relu");
      GPT.Is_Traced := False;
      GPT.Attend.Clear;
      for T in 0 .. GPT.Block - 1 loop
         Take ("attend");
         declare
            List : constant Integers := Wholes (0, T);
         begin
            Expect_Increasing (List);
            Expect (List'Length > 0 and then List (List'Last) = T, "its own position as the last");
            GPT.Attend.Append (List);
         end;
      end loop;
      GPT.Make_Matrices;
   end Take_Shape;

   function Take_Document return Integers is
   begin
      Take ("tokens");
      return Document : constant Integers := Wholes (0, GPT.Vocabulary - 1) do
         Expect (Document'Length >= 2, "two or more tokens");
      end return;
   end Take_Document;

   function Take_Matrices (Prefix : String := "") return Double_Vectors.Vector is
      Rows, Columns : Natural;
   begin
      return X : Double_Vectors.Vector do
         for W of GPT.Matrices loop
            Rows := W.Rows;
            Columns := W.Columns;
            Take_Tensor (Prefix & To_String (W.Name), Rows, Columns, X);
         end loop;
      end return;
   end Take_Matrices;

   procedure Put_Matrices (Prefix : String; X : Double_Vectors.Vector) is
   begin
      for W of GPT.Matrices loop
         Put_Tensor (Prefix & To_String (W.Name), W.Rows, W.Columns, X, W.First);
      end loop;
   end Put_Matrices;

   procedure Forward is
   begin
      Take_Shape;
      declare
         Document : constant Integers := Take_Document;
      begin
         GPT.Start (Take_Matrices);
         GPT.Is_Traced := True;
         Put ("loss", Value (GPT.Loss (Document)));
      end;
   end Forward;

   procedure Backward is
      Root : Node;
   begin
      Take_Shape;
      declare
         Document : constant Integers := Take_Document;
      begin
         GPT.Start (Take_Matrices);
         Root := GPT.Loss (Document);
      end;
      Tape.Backward (Root);
      Put ("loss", Value (Root));
      Put_Matrices ("", GPT.Gradients);
   end Backward;

   function Take_Adam return GPT.Adam is
   begin
      return A : GPT.Adam do
         A.Learning_Rate := Number ("learning_rate");
         A.Beta_1 := Number ("beta1");
         A.Beta_2 := Number ("beta2");
         A.Epsilon := Number ("epsilon");
         A.Is_Cosine := Choice ("schedule", "linear", "cosine");
         A.Steps := Whole ("steps", 1, 4096);
      end return;
   end Take_Adam;

   procedure Adam is
      A             : GPT.Adam;
      Step          : Natural;
      Rows, Columns : Natural := 0;
      P, G, M, V    : Double_Vectors.Vector;
   begin
      Take_Math;
      A := Take_Adam;
      Step := Whole ("step", 0, Long_Long_Integer (A.Steps) - 1);
      Take_Tensor ("parameters", Rows, Columns, P);
      Take_Tensor ("gradients", Rows, Columns, G);
      Take_Tensor ("m", Rows, Columns, M);
      Take_Tensor ("v", Rows, Columns, V);
      GPT.Update (A, Step, P, G, M, V);
      Put ("rate", GPT.Rate (A, Step));
      Put ("correction1", GPT.Correction (A.Beta_1, Step));
      Put ("correction2", GPT.Correction (A.Beta_2, Step));
      Put_Tensor ("m", Rows, Columns, M);
      Put_Tensor ("v", Rows, Columns, V);
      Put_Tensor ("parameters", Rows, Columns, P);
   end Adam;

   procedure Train is
      A               : GPT.Adam;
      From, Last      : Natural;
      Full, Documents : Integer_Lists.Vector;
      Loss            : Double;

      procedure For_Each_List (Put_List : not null access procedure (Name : String; X : Double_Vectors.Vector)) is
      begin
         Put_List ("gradients", GPT.Gradients);
         Put_List ("m", GPT.M);
         Put_List ("v", GPT.V);
         Put_List ("parameters", GPT.Parameters);
      end For_Each_List;

      procedure Put_Full (Name : String; X : Double_Vectors.Vector) is
      begin
         Put_Matrices (Name & ".", X);
      end Put_Full;
   begin
      Take_Shape;
      A := Take_Adam;
      From := Whole ("from", 0, Long_Long_Integer (A.Steps) - 1);
      Last := From + Whole ("count", 1, Long_Long_Integer (A.Steps - From)) - 1;
      Take ("full");
      Full.Append (Wholes (From, Last));
      Expect_Increasing (Full (1));
      loop
         Documents.Append (Take_Document);
         exit when not Next_Is ("tokens");
      end loop;
      GPT.Start (Take_Matrices);
      if From > 0 then
         GPT.M := Take_Matrices ("m.");
         GPT.V := Take_Matrices ("v.");
      end if;
      for Step in From .. Last loop
         Loss := GPT.Train (A, Step, Documents (1 + Step mod Documents.Last_Index));
         Put ("step", Integers'[Step]);
         Put ("loss", Loss);
         For_Each_List (Put_Checksum'Access);
         if (for some Each of Full (1) => Each = Step) then
            For_Each_List (Put_Full'Access);
         end if;
      end loop;
   end Train;

   procedure Sample is
      Temperature : Double;
      Samples     : Natural;

      procedure Put_Sample is
         Token : Positive := GPT.Vocabulary;
      begin
         for T in 1 .. GPT.Block loop
            declare
               Probabilities : constant Doubles := GPT.Predict (T, Token, Temperature);
            begin
               Token := 1 + Twister.Choice (Probabilities);
               Put ("probabilities", Probabilities);
               Put ("token", Integers'[Token - 1]);
            end;
            exit when Token = GPT.Vocabulary;
         end loop;
      end Put_Sample;
   begin
      Take_Shape;
      Temperature := Number ("temperature");
      Samples := Whole ("samples", 0, 1000);
      GPT.Start (Take_Matrices);
      Twister.Index := Whole ("state", 0, 624);
      for Each of Twister.State loop
         Each := Twister.Word (Whole (0, Greatest_Word));
      end loop;
      Take ("kept");
      Twister.Has_Kept := not Next_Is ("none", ' ');
      if Twister.Has_Kept then
         Twister.Kept := Number;
      else
         Expect (Word = "none", "none");
      end if;
      for I in 0 .. Samples - 1 loop
         Put ("sample", Integers'[I]);
         Put_Sample;
      end loop;
      Put_Words ("word", 1);
   end Sample;

   procedure Put_Print (Line : String; Points : Integers) is
   begin
      Put ("print", Code_Points (Line) & Points);
   end Put_Print;

   procedure Run is
      Is_Seed        : Boolean;
      Steps, Samples : Natural;
   begin
      Take_Math;
      Is_Seed := not Choice ("preset", "seed", "classic");
      Steps := Whole ("steps", 1, 4096);
      Samples := Whole ("samples", 0, 1000);
      GPT.Run (Is_Seed, Steps, Samples, Take_Dataset, Put_Print'Access);
      Put_Checksum ("parameters", GPT.Parameters);
      Put_Checksum ("m", GPT.M);
      Put_Checksum ("v", GPT.V);
      Put_Words ("word", 1);
   end Run;

   type Verb is record
      Name   : Unbounded_String;
      Answer : access procedure;
   end record;

   Verbs : constant array (Positive range <>) of Verb :=
     [(+"hello", Hello'Access), (+"arith", Arith'Access), (+"math", Math'Access), (+"random", Random'Access),
      (+"tokens", Tokens'Access), (+"graph", Graph'Access), (+"forward", Forward'Access),
      (+"backward", Backward'Access), (+"adam", Adam'Access), (+"train", Train'Access), (+"sample", Sample'Access),
      (+"run", Run'Access)];

   procedure Answer (Name : String) is
   begin
      for Each of Verbs loop
         if Each.Name = Name then
            Each.Answer.all;
            Expect (At_End and then not Has_More, "end");
            Send ("ok " & Id);
            return;
         end if;
      end loop;
      raise Bad_Request with "unsupported";
   end Answer;

   procedure Answer_Requests is
      Is_There : Boolean;
   begin
      loop
         Read (Is_There);
         exit when not Is_There;
         begin
            Answer (Take_Verb);
         exception
            when Problem : Bad_Request =>
               Send_Error (Ada.Exceptions.Exception_Message (Problem));
         end;
      end loop;
   end Answer_Requests;

   --  UTF-8. Of what is wrong, it makes code points that are written otherwise.
   function Decoded (Line : Unbounded_String) return Integers is
      Points : Integers (1 .. Length (Line)) := [others => 0];
      Count  : Natural := 0;
      Byte   : Natural;
   begin
      for I in 1 .. Length (Line) loop
         Byte := Character'Pos (Element (Line, I));
         if Byte in 16#80# .. 16#bf# and then Count > 0 then
            Points (Count) := (Points (Count) mod 2 ** 24) * 64 + Byte mod 64;
         else
            Count := Count + 1;
            Points (Count) :=
              (case Byte is
                 when 16#c0# .. 16#df# => Byte mod 32,
                 when 16#e0# .. 16#ef# => Byte mod 16,
                 when 16#f0# .. 16#ff# => Byte mod 8,
                 when others           => Byte);
         end if;
      end loop;
      return Points (1 .. Count);
   end Decoded;

   function Encoded (Points : Integers) return Unbounded_String is
      More : Natural;
   begin
      return Text : Unbounded_String do
         for Point of Points loop
            More := (if Point < 16#80# then 0 elsif Point < 16#800# then 1 elsif Point < 16#1_0000# then 2 else 3);
            Append (Text, Character'Val
                    ((case More is when 0 => 0, when 1 => 16#c0#, when 2 => 16#e0#, when others => 16#f0#)
                     + Point / 64 ** More mod 128));
            for K in reverse 0 .. More - 1 loop
               Append (Text, Character'Val (16#80# + Point / 64 ** K mod 64));
            end loop;
         end loop;
      end return;
   end Encoded;

   procedure Print (Line : String; Points : Integers) is
   begin
      Write (Line & Encoded (Points) & ASCII.LF);
   end Print;

   procedure Run_Preset (Is_Seed : Boolean) is
      Documents : Integer_Lists.Vector;
      Line      : Unbounded_String;
      Is_There  : Boolean;
   begin
      loop
         Read_Line (Line, Is_There);
         exit when not Is_There;
         GPT.Add_Document (Documents, Decoded (Line));
         Expect (Encoded (Decoded (Line)) = Line, "UTF-8");
      end loop;
      GPT.Run (Is_Seed, (if Is_Seed then 500 else 1000), 20, Documents, Print'Access);
   end Run_Preset;

   use Ada.Command_Line;
   Preset : constant String := (if Argument_Count = 2 then Argument (2) else "seed");
begin
   if Argument_Count = 0 then
      Answer_Requests;
   elsif Argument_Count > 2 or else Argument (1) /= "run" or else Preset not in "seed" | "classic" then
      raise Bad_Request with "usage: microgpt [run [seed|classic] < names.txt]";
   else
      Run_Preset (Preset = "seed");
   end if;
exception
   when Problem : Bad_Request =>
      Ada.Text_IO.Put_Line (Ada.Text_IO.Standard_Error, "microgpt: " & Ada.Exceptions.Exception_Message (Problem));
      Set_Exit_Status (Failure);
end Microgpt;
